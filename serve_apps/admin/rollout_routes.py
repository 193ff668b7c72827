"""Routes of the control API about rollouts, thin, over `RolloutAdmin`; policies, too, say who may do what."""

from typing import Annotated, Literal, TypeAlias

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from windvane.cluster.callers.caller import demand_role
from windvane.cluster.policies.policy import APPROVE, approve_context
from windvane.configs.access import Role
from windvane.serve_apps.admin import replies
from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.rollout_admin import RolloutAdmin
from windvane.serve_apps.admin.route_auth import READERS, caller_of, needs
from windvane.serve_apps.admin.route_policy import VIEW, permitted

VERBS = Literal["pause", "resume", "promote", "abort", "undo"]
OWNERS: tuple[Role, ...] = ("owner", "admin")
APPROVERS: tuple[Role, ...] = ("owner", "compliance", "admin")
HOLDERS: tuple[Role, ...] = ("owner", "operator", "compliance", "admin")  # who may stop a version from going on
STEERING: dict[str, tuple[Role, ...]] = {
    "pause": HOLDERS,
    "abort": HOLDERS,
    "undo": HOLDERS,
    "resume": OWNERS,
    "promote": OWNERS,
}
AS_POLICIES_NAME_IT = {
    "pause": "roll_back",
    "abort": "roll_back",
    "undo": "roll_back",
    "resume": "promote",
    "promote": "promote",
}
Number: TypeAlias = Annotated[int, Field(ge=1, le=10**9)]  # of a version


class Reason(BaseModel):
    """Reason why somebody does this by hand; it goes on the record."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class StartOrder(Reason):
    """A rollout started by hand."""

    version: Number
    skip_shadow: bool | None = None  # null as if it were left out
    override_gate: bool | None = None


class ApprovalOrder(Reason):
    """An answer to exactly what was looked at: the version, and the plan's digest or how it begins."""

    version: Number
    plan: Annotated[str, Field(pattern="^[0-9a-f]{8,64}$")] | None = None


class Pins(BaseModel):
    """Versions that are always scored as shadows."""

    model_config = ConfigDict(extra="forbid")
    versions: Annotated[list[Number], Field(max_length=8)]


def add_rollout_routes(app: FastAPI, rollout_admin: RolloutAdmin, admin_policy: AdminPolicy) -> None:
    """Six routes; who asked for a rollout may not approve it, which `RolloutAdmin` and the policies both see to."""
    promote, roll_back = permitted(admin_policy, "promote"), permitted(admin_policy, "roll_back")

    @app.get("/api/models/{model}/rollout", openapi_extra=needs(*READERS), dependencies=permitted(admin_policy, VIEW))
    def rollout(model: str) -> replies.RolloutStatus:
        """The current or last rollout."""
        return rollout_admin.status(model)

    @app.post("/api/models/{model}/rollout", status_code=202, openapi_extra=needs(*OWNERS), dependencies=promote)
    def start(request: Request, model: str, body: StartOrder) -> replies.RolloutStatus:
        """Begin to prove a version."""
        by = caller_of(request).name
        return rollout_admin.start(
            model, body.version, body.reason, by, bool(body.skip_shadow), bool(body.override_gate)
        )

    @app.post("/api/models/{model}/rollout/approve", openapi_extra=needs(*APPROVERS))
    def approve(request: Request, model: str, body: ApprovalOrder) -> replies.RolloutStatus:
        """Let the version leave the shadow once it is proven; not for who asked for its rollout."""
        caller = caller_of(request)
        admin_policy.demand(caller, APPROVE, model, approve_context(rollout_admin.requester(model)))
        return rollout_admin.approve(model, body.version, body.plan, body.reason, caller.name)

    @app.post("/api/models/{model}/rollout/reject", openapi_extra=needs(*HOLDERS), dependencies=roll_back)
    def reject(request: Request, model: str, body: ApprovalOrder) -> replies.RolloutStatus:
        """End the rollout before the version answers anything."""
        return rollout_admin.reject(model, body.version, body.plan, body.reason, caller_of(request).name)

    @app.post("/api/models/{model}/rollout/{verb}", openapi_extra=needs(*HOLDERS))
    def steer(request: Request, model: str, verb: VERBS, body: Reason) -> replies.RolloutStatus:
        """Pause, abort, undo; resume and promote are for owners and admins."""
        caller = caller_of(request)
        demand_role(caller, *STEERING[verb])
        admin_policy.demand(caller, AS_POLICIES_NAME_IT[verb], model)
        return rollout_admin.steer(model, verb, body.reason, caller.name)

    @app.put("/api/models/{model}/pins", openapi_extra=needs(*OWNERS), dependencies=promote)
    def pin(model: str, body: Pins) -> replies.Pinned:
        """Score these versions as shadows in every split."""
        return rollout_admin.pin(model, tuple(body.versions))
