"""Routes of the control API about policy sets and consents, thin, over `PolicyAdmin` and `ConsentAdmin`."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from windvane.cluster.policies.policy_set import RULES, SCHEMA, PolicySet
from windvane.configs.access import Role
from windvane.configs.declared import NAME
from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.governance import replies
from windvane.serve_apps.admin.governance.consents import ConsentAdmin
from windvane.serve_apps.admin.governance.policies import PolicyAdmin
from windvane.serve_apps.admin.route_auth import READERS, caller_of, needs, needs_all_models
from windvane.serve_apps.protocol.instances import LONGEST_PURPOSE, LONGEST_SUBJECT

MOST_FILES, LONGEST_FILE = 100, 262_144  # of a policy set, in characters
FILE_NAME = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,99}}({RULES.replace('.', '[.]')}|{SCHEMA.replace('.', '[.]')})$"
LISTENERS: tuple[Role, ...] = ("client", "compliance", "admin")  # whom subjects tell what they agree to
Why: TypeAlias = Annotated[str, Field(min_length=1, max_length=500)]
FileName: TypeAlias = Annotated[str, Field(pattern=FILE_NAME)]
File: TypeAlias = Annotated[str, Field(max_length=LONGEST_FILE)]
Purpose: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_PURPOSE)]


class PublishOrder(BaseModel):
    """A policy set as it is written, by file name: rules (`.cedar`) and one schema (`.cedarschema`)."""

    model_config = ConfigDict(extra="forbid", strict=True)
    files: Annotated[dict[FileName, File], Field(min_length=1, max_length=MOST_FILES)]
    reason: Why


class Decision(BaseModel):
    """Reason of a decision by hand; it goes on the record."""

    model_config = ConfigDict(extra="forbid", strict=True)
    reason: Why


class ConsentOrder(BaseModel):
    """A subject's word on each purpose; purposes that are not named stay as they are."""

    model_config = ConfigDict(extra="forbid", strict=True)
    purposes: Annotated[dict[Purpose, bool], Field(min_length=1, max_length=100)]
    model: Annotated[str, Field(pattern=NAME)] | None = None  # for callers that have to do with single models only


@dataclass(frozen=True, slots=True)
class Governance:
    """Everything about policies that control answers by."""

    admin_policy: AdminPolicy
    policies: PolicyAdmin
    consents: ConsentAdmin


def add_governance_routes(app: FastAPI, governance: Governance) -> None:
    """Roles let in who may have to do with it; what each may do the policies in force say."""
    policies, consents = governance.policies, governance.consents

    @app.get("/api/policies", openapi_extra=needs(*READERS))
    def policy_standing() -> replies.PolicyStanding:
        """The policy set in force, the one that waits, and those before; also where none is in force that could say."""
        return policies.standing()

    @app.post("/api/policies", status_code=202, openapi_extra=needs_all_models(*READERS))
    def publish_policies(request: Request, body: PublishOrder) -> replies.PolicyChange:
        """Propose a policy set; where the one in force asks for no second person, it is in force at once."""
        return policies.publish(PolicySet(body.files), body.reason, caller_of(request))

    @app.post("/api/policies/{version}/approve", openapi_extra=needs_all_models(*READERS))
    def approve_policies(request: Request, version: str, body: Decision) -> replies.PolicyChange:
        """Put the set that waits in force, as a second person; `version` is its hash or the first 8 digits of it."""
        return policies.approve(version, body.reason, caller_of(request))

    @app.post("/api/policies/{version}/withdraw", openapi_extra=needs_all_models(*READERS))
    def withdraw_policies(request: Request, version: str, body: Decision) -> replies.PolicyChange:
        """Let the set that waits go."""
        return policies.withdraw(version, body.reason, caller_of(request))

    @app.put("/api/subjects/{subject:path}/consent", openapi_extra=needs(*LISTENERS))
    def record_consent(
        request: Request, subject: Annotated[str, Field(max_length=LONGEST_SUBJECT)], body: ConsentOrder
    ) -> replies.ConsentStatus:
        """Note what a subject agreed to or withdrew; answered once every replica goes by it."""
        return consents.record(subject, body.purposes, body.model, caller_of(request))

    @app.get("/api/subjects/{subject:path}/consent", openapi_extra=needs(*LISTENERS))
    def consent(request: Request, subject: Annotated[str, Field(max_length=LONGEST_SUBJECT)]) -> replies.ConsentStatus:
        """The consents of a subject."""
        return consents.of(subject, caller_of(request))
