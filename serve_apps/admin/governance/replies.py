"""Types of the control API's replies about keys, policies and consents."""

from typing import Literal

from typing_extensions import TypedDict

from windvane.configs.access import Role
from windvane.serve_apps.admin.replies import Moment


class KeyStatus(TypedDict):
    """One key on record, without what opens anything."""

    key_id: str
    name: str
    roles: list[Role]
    models: list[str] | None  # null: every model
    standing: Literal["good", "expired", "revoked"]
    made_at: Moment
    made_by: str
    expires_at: Moment | None
    requests_per_second: float | None
    burst: int | None
    revoked_at: Moment | None
    revoked_by: str
    reason: str


class KeyMade(TypedDict):
    """A new key: the only reply that ever holds it."""

    key: str
    status: KeyStatus
    replicas_told: bool  # every replica goes by it; false: they will, as soon as the Switchboard reaches them


class KeyRevoked(TypedDict):
    """A key that opens nothing any more."""

    status: KeyStatus
    replicas_told: bool


class Keys(TypedDict):
    """Every key on record, oldest first."""

    keys: list[KeyStatus]


class LivePolicies(TypedDict):
    """A policy set that is, or was, in force: who asked for it and who approved."""

    number: int
    version: str
    requested_by: str
    approved_by: str | None
    reason: str
    since: Moment


class ProposedPolicies(TypedDict):
    """A policy set that waits for a second person."""

    version: str
    requested_by: str
    reason: str
    at: Moment


class PolicyStanding(TypedDict):
    """The policy set in force, the one that waits, and those before, oldest first."""

    live: LivePolicies | None
    proposal: ProposedPolicies | None
    before: list[LivePolicies]


class PolicyChange(TypedDict):
    """The standing after a change, and whether every replica goes by the set in force."""

    standing: PolicyStanding
    replicas_told: bool


class SaidStatus(TypedDict):
    """A subject's last word on one purpose."""

    given: bool
    at: Moment
    by: str


class ConsentStatus(TypedDict):
    """Everything a subject said, by purpose."""

    purposes: dict[str, SaidStatus]
