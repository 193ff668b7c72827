"""Routes of the control API about models, thin, over `Declarations`, `ModelAdmin` and `ModelHistory`."""

from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import PlainTextResponse

from windvane.cluster.declarations import Declarations
from windvane.configs.access import Role
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.admin import replies
from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.model_admin import ModelAdmin
from windvane.serve_apps.admin.records.model_history import ModelHistory
from windvane.serve_apps.admin.records.replies import Retold
from windvane.serve_apps.admin.rollout_routes import OWNERS, Number, Reason
from windvane.serve_apps.admin.route_auth import READERS, caller_of, needs
from windvane.serve_apps.admin.route_policy import VIEW, permitted, seen_by

TRAINERS: tuple[Role, ...] = ("owner", "operator", "admin")
EXPLAINERS: tuple[Role, ...] = ("owner", "compliance", "admin")

# `deploy` validates this itself, so that it names every wrong field as `windvane validate` does.
DECLARATION = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ModelSpec"}}},
    }
}


def add_model_routes(
    app: FastAPI,
    declarations: Declarations,
    model_admin: ModelAdmin,
    history: ModelHistory,
    admin_policy: AdminPolicy,
) -> None:
    """Ten routes; those about all models answer with the ones that the caller may see."""
    may = partial(permitted, admin_policy)

    @app.get("/api/status", openapi_extra=needs(*READERS))
    def status(request: Request) -> replies.Overview:
        """Champion, split, phase and why, findings, jobs and rates of every model that the caller may see."""
        return model_admin.status(seen_by(admin_policy, request))

    @app.put("/api/models/{model}", openapi_extra=needs(*OWNERS, **DECLARATION), dependencies=may("deploy"))
    def deploy(request: Request, model: str, spec: dict[str, Any]) -> replies.Deployed:
        """Make this declaration the one that serves."""
        return model_admin.deploy(model, spec, caller_of(request).name)

    @app.post("/api/models/{model}/undeploy", openapi_extra=needs(*OWNERS), dependencies=may("undeploy"))
    def undeploy(request: Request, model: str, body: Reason) -> replies.Undeployed:
        """Take the model out of service; its versions, its history and its decision log stay."""
        return model_admin.undeploy(model, body.reason, caller_of(request).name)

    @app.get("/api/models/{model}", openapi_extra=needs(*READERS), dependencies=may(VIEW))
    def describe(model: str) -> ModelSpec:
        """The deployed declaration."""
        return declarations.spec(model)

    @app.get("/api/models/{model}/versions", openapi_extra=needs(*READERS), dependencies=may(VIEW))
    def versions(model: str) -> replies.Versions:
        """All registered versions, oldest first."""
        return {"versions": history.versions(model)}

    @app.get("/api/models/{model}/events", openapi_extra=needs(*READERS), dependencies=may(VIEW))
    def events(
        model: str,
        after: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> replies.Events:
        """Events, oldest first."""
        return {"events": history.events(model, after, limit)}

    @app.get("/api/models/{model}/versions/{version}/card", openapi_extra=needs(*READERS), dependencies=may(VIEW))
    def card(model: str, version: Number) -> replies.CardStatus:
        """The card of a version."""
        return history.card(model, version)

    @app.get(
        "/api/models/{model}/decisions/{decision_id}/explanation",
        openapi_extra=needs(*EXPLAINERS),
        dependencies=may("explain"),
    )
    def explain(request: Request, model: str, decision_id: str) -> Retold:
        """Explain a recorded decision: what was told, and what its version says of it now."""
        return history.explain(model, decision_id, caller_of(request).name)

    @app.post("/api/models/{model}/retrain", status_code=202, openapi_extra=needs(*TRAINERS), dependencies=may("train"))
    def retrain(request: Request, model: str, body: Reason) -> replies.RetrainStatus:
        """Open a retrain request by hand, or return the one that is open."""
        return model_admin.retrain(model, body.reason, caller_of(request).name)

    @app.get("/metrics", response_class=PlainTextResponse, openapi_extra=needs(*READERS))
    def metrics(request: Request) -> Response:
        """Prometheus metrics of every model that the caller may see."""
        written = model_admin.metrics(seen_by(admin_policy, request))
        return Response(written, media_type="text/plain; version=0.0.4; charset=utf-8")
