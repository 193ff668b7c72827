"""The control API and the console: FastAPI over the ModelAdmin; every route says which roles may ask."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException

from windvane.cluster.errors import Invalid, Malformed, NotFound, Problem, WindvaneError
from windvane.configs.access import ROLES, Role
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.admin import replies
from windvane.serve_apps.admin.docs_page import page
from windvane.serve_apps.admin.faults import Faults
from windvane.serve_apps.admin.governance.routes import Governance, add_governance_routes
from windvane.serve_apps.admin.key_admin import KeyAdmin
from windvane.serve_apps.admin.key_routes import add_key_routes
from windvane.serve_apps.admin.model_admin import ModelAdmin
from windvane.serve_apps.admin.openapi.document import document
from windvane.serve_apps.admin.probes import Probes, methods_at, options
from windvane.serve_apps.admin.records.records import RecordsAdmin
from windvane.serve_apps.admin.records.replies import Retold
from windvane.serve_apps.admin.records.routes import add_records_routes
from windvane.serve_apps.admin.rollout_routes import OWNERS, Number, Reason, add_rollout_routes
from windvane.serve_apps.admin.route_auth import READERS, RouteAuth, caller_of, needs, open_to_all
from windvane.serve_apps.admin.route_policy import VIEW, permitted, seen_by
from windvane.serve_apps.protocol import strict_json
from windvane.serve_apps.protocol.infer_reply import refusal_at
from windvane.serve_apps.protocol.problem import MethodNotAllowed

CONSOLE = Path(__file__).parent / "console"
TRAINERS: tuple[Role, ...] = ("owner", "operator", "admin")
EXPLAINERS: tuple[Role, ...] = ("owner", "compliance", "admin")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# `deploy` validates this itself, so that it names every wrong field as `windvane validate` does.
DECLARATION = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ModelSpec"}}},
    }
}


def make_app(
    model_admin: ModelAdmin,
    route_auth: RouteAuth,
    keys: KeyAdmin,
    governance: Governance,
    records: RecordsAdmin | None = None,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The ASGI app."""
    # The document below tells of every endpoint, not only of these.
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
    )
    app.router.route_class = route_auth.route_class()
    admin_policy = governance.admin_policy
    may = partial(permitted, admin_policy)

    @app.get("/", include_in_schema=False, openapi_extra=open_to_all())
    def root() -> RedirectResponse:
        return RedirectResponse("console")

    @app.get("/api/health", openapi_extra=open_to_all())
    def health() -> replies.Health:
        """Control answers."""
        return {"status": "ok"}

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
        return model_admin.spec(model)

    @app.get("/api/models/{model}/versions", openapi_extra=needs(*READERS), dependencies=may(VIEW))
    def versions(model: str) -> replies.Versions:
        """All registered versions, oldest first."""
        return {"versions": model_admin.versions(model)}

    @app.get("/api/models/{model}/events", openapi_extra=needs(*READERS), dependencies=may(VIEW))
    def events(
        model: str,
        after: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> replies.Events:
        """Events, oldest first."""
        return {"events": model_admin.events(model, after, limit)}

    @app.get("/api/models/{model}/versions/{version}/card", openapi_extra=needs(*READERS), dependencies=may(VIEW))
    def card(model: str, version: Number) -> replies.CardStatus:
        """The card of a version."""
        return model_admin.card(model, version)

    @app.get(
        "/api/models/{model}/decisions/{decision_id}/explanation",
        openapi_extra=needs(*EXPLAINERS),
        dependencies=may("explain"),
    )
    def explain(request: Request, model: str, decision_id: str) -> Retold:
        """Explain a recorded decision: what was told, and what its version says of it now."""
        return model_admin.explain(model, decision_id, caller_of(request).name)

    @app.post("/api/models/{model}/retrain", status_code=202, openapi_extra=needs(*TRAINERS), dependencies=may("train"))
    def retrain(request: Request, model: str, body: Reason) -> replies.RetrainStatus:
        """Open a retrain request by hand, or return the one that is open."""
        return model_admin.retrain(model, body.reason, caller_of(request).name)

    @app.get("/metrics", response_class=PlainTextResponse, openapi_extra=needs(*READERS))
    def metrics(request: Request) -> Response:
        """Prometheus metrics of every model that the caller may see."""
        written = model_admin.metrics(seen_by(admin_policy, request))
        return Response(written, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/console", include_in_schema=False, openapi_extra=open_to_all())
    def console() -> FileResponse:
        return FileResponse(CONSOLE / "index.html", headers={"content-security-policy": CONTENT_POLICY})

    @app.get("/console/{name}", include_in_schema=False, openapi_extra=open_to_all())
    def console_file(name: Literal["console.css", "console.js"]) -> FileResponse:
        return FileResponse(CONSOLE / name)

    def told(request: Request) -> dict[str, Any]:
        models = [spec for spec in model_admin.models() if caller_of(request).may_use(spec.name)]
        return document(models, app.openapi())

    @app.get("/openapi.json", include_in_schema=False, openapi_extra=needs(*ROLES))
    def described(request: Request) -> JSONResponse:
        return JSONResponse(told(request))

    @app.get("/docs", include_in_schema=False, openapi_extra=needs(*ROLES))
    def reference(request: Request) -> HTMLResponse:
        return HTMLResponse(page(told(request)), headers={"content-security-policy": CONTENT_POLICY})

    app.add_middleware(Faults)
    app.add_middleware(Probes)
    add_rollout_routes(app, model_admin, admin_policy)
    add_key_routes(app, keys, admin_policy)
    add_governance_routes(app, governance)
    if records is not None:
        add_records_routes(app, records, admin_policy)

    async def http_error(request: Request, error: Exception) -> Response:
        """Answer what no route answers; whether there is such a model nobody learns who may not use it."""
        assert isinstance(error, HTTPException)
        parts = request.url.path.split("/")
        if request.method == "OPTIONS":
            try:
                answer = await options(request, route_auth)
            except WindvaneError as refused:
                await route_auth.refused(refused, request)
                return _refuse(refused, request.url.path)
            if answer is not None:
                return answer
        if parts[1:3] == ["v2", "models"] and len(parts) > 3 and parts[3]:
            try:
                await route_auth.admit(request, ROLES, parts[3])
            except WindvaneError as refused:
                await route_auth.refused(refused, request)
                return _refuse(refused, request.url.path)
        return _http_error(request, error)

    app.add_exception_handler(WindvaneError, _windvane_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, http_error)
    return app


async def _windvane_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, WindvaneError)
    return _refuse(error, request.url.path)


async def _invalid(request: Request, error: Exception) -> Response:
    """FastAPI's validation errors as the same problem document; a path that names no choice leads nowhere."""
    assert isinstance(error, RequestValidationError)
    places = error.errors()
    if any(each["loc"][0] == "path" for each in places):
        return _nothing_there(request)
    invalid = Invalid(
        "The request does not fit its schema", tuple(_problem(each["loc"], each["msg"]) for each in places)
    )
    return _refuse(invalid, request.url.path)


def _http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        allowed = ", ".join(sorted(methods_at(request.app, request.scope)))
        sentence = f"{request.method} is not answered here; use {allowed}"
        return _refuse(MethodNotAllowed(sentence, allowed), request.url.path)
    if error.status_code == 400:
        return _refuse(Malformed(str(error.detail)), request.url.path)
    return _nothing_there(request)


def _nothing_there(request: Request) -> Response:
    path = request.url.path
    parts = path.split("/")
    if path.startswith("/v2/models/") and parts[3]:
        sentence = f"No model {parts[3][:80]!r} is deployed here; `windvane status` lists those that are"
    else:
        sentence = f"There is nothing at {path[:200]}; the API is described at /docs"
    return _refuse(NotFound(sentence), path)


def _problem(location: Sequence[str | int], message: str) -> Problem:
    """A pointer into the body, or the name of the query parameter."""
    where, *path = location
    if where != "body":
        return Problem("", f"{where} parameter {'.'.join(map(str, path))}: {message}")
    return Problem(strict_json.pointer_to(path), message)


def _refuse(error: WindvaneError, path: str) -> Response:
    answer = refusal_at(error, path)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers)
