"""What the control API answers with, as types: `status.py` fills them, FastAPI's schema tells of them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from cluster.registry import Standing
from configs.access import Role
from monitoring import requests
from serve_apps.rollout.plan import Phase
from serve_apps.rollout.verdict import Outcome

Moment: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class TrafficStatus(TypedDict):
    """Rates, latencies and totals as the monitor has them; null where nothing was seen."""

    decisions: int
    errors: int
    decisions_per_second: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    labelled: int
    waiting: int
    replicas: int
    shadow_dropped: dict[str, int]
    denied: dict[str, int]


class ArmStatus(TypedDict):
    """One version that answers, and its share of the units."""

    name: str
    version: int
    weight: float


class SplitStatus(TypedDict):
    """Who answers, who is scored beside, who is kept loaded."""

    revision: int
    arms: list[ArmStatus]
    shadows: list[int]
    warm: list[int]
    phase: str
    reason: str


class GuardrailStatus(TypedDict):
    """One thing that was looked at: what was measured, against what, and what follows."""

    name: str
    outcome: Outcome
    sentence: str
    value: float | None
    limit: float | None


class VerdictStatus(TypedDict):
    """PASS, FAIL or NOT_YET and each guardrail's sentence."""

    outcome: Outcome
    at: Moment
    summary: str
    guardrails: list[GuardrailStatus]


class AnswerStatus(TypedDict):
    """What one person said to a change that needs two."""

    by: str
    at: Moment
    reason: str


class ApprovalStatus(TypedDict):
    """The gate before the first step: who asked for the rollout, and what was said to it."""

    requester: str
    plan: str
    waits: str | None
    approval: AnswerStatus | None
    rejection: AnswerStatus | None


class RolloutStatus(TypedDict):
    """The phase, why, and the last verdict with its evidence."""

    id: str
    model: str
    candidate: int
    champion: int
    phase: Phase
    where: str
    weight: float
    paused: bool
    reason: str
    cause: str
    overridden: list[str]
    started_at: Moment
    ended_at: Moment | None
    in_force: bool
    rolled_back_in_ms: float | None
    verdict: VerdictStatus | None
    approval: ApprovalStatus | None


class RetrainStatus(TypedDict):
    """Why a retraining was asked for and how far it is."""

    request_id: str
    status: requests.Status
    cause: Literal["findings", "schedule", "manual"]
    reason: str
    findings: list[str]
    requested_at: Moment
    requested_by: str
    job_id: str | None
    attempts: int
    version: int | None
    message: str


class EventStatus(TypedDict):
    """Something that happened, with its figures."""

    number: int
    at: Moment
    event_time: Moment | None
    kind: str
    model: str
    version: int | None
    detail: str
    facts: dict[str, str | int | float | None]


class VersionStatus(TypedDict):
    """A registered version, why it exists and how it did."""

    number: int
    standing: Standing
    reason: str
    owner: str
    parent: int | None
    request_id: str | None
    run_id: str
    created_at: Moment
    metrics: Mapping[str, float]


class ModelStatus(TypedDict):
    """One model's entry in `GET /api/status`."""

    name: str
    owner: str
    champion: int | None
    split: SplitStatus | None
    rollout: RolloutStatus | None
    retrain: RetrainStatus | None
    traffic: TrafficStatus | None
    events: list[EventStatus]


class Overview(TypedDict):
    """Every model's status at one moment."""

    at: Moment
    models: list[ModelStatus]


class Deployed(TypedDict):
    """The declaration that serves from now on."""

    model: str
    champion: int
    spec_digest: str


class Undeployed(TypedDict):
    """The model that is out of service."""

    model: str


class Pinned(TypedDict):
    """The versions that are always scored as shadows."""

    model: str
    pins: list[int]


class Health(TypedDict):
    """Control answers."""

    status: Literal["ok"]


class Versions(TypedDict):
    """All registered versions, oldest first."""

    versions: list[VersionStatus]


class Events(TypedDict):
    """What happened, oldest first."""

    events: list[EventStatus]


class DecisionsPage(TypedDict):
    """Decisions as they were logged, oldest first; `next` is `after` of the page that follows."""

    decisions: list[dict[str, Any]]
    next: str | None


class Lineage(TypedDict):
    """Where a decision came from; null where it is not known."""

    decision_id: str
    model: str
    decided_at: Moment
    caller: str | None
    purpose: str | None
    consent: bool | None
    verdict: str | None  # allow, refer or deny
    action: str | None
    version: int | None  # null where it was denied before a model was asked, and so is all that tells of one
    arm: str
    split: int  # revision that was in force
    policy: str | None  # hash of the policy set
    policies: list[str]  # that determined the verdict
    run: str | None
    registered_at: Moment | None
    parent: int | None
    data_sha256: str | None
    source: str | None
    code_revision: str | None
    environment: str | None
    declaration_sha256: str | None
    request: str | None
    cause: str | None
    reason: str | None
    findings: list[str]  # that caused the version


class SubjectLog(TypedDict):
    """What one model's log holds about a subject."""

    decisions: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    shadows: list[dict[str, Any]]


class SubjectHeld(TypedDict):
    """Everything that is held about a subject, readable."""

    subject: str
    subject_hash: str
    models: dict[str, SubjectLog]
    elsewhere: dict[str, Any]
    acts: list[dict[str, Any]]  # that were about the subject: exports, erasures


class Erased(TypedDict):
    """That a subject's keys are destroyed; `digest` is over them as they were wrapped."""

    number: int
    at: Moment
    subject: str  # as the log names it
    keys: int
    digest: str


class ReasonStatus(TypedDict):
    """One feature's part in a score, in log-odds and in words."""

    feature: str
    value: float | int | bool | str | None
    weight: float
    text: str


class ChangeStatus(TypedDict):
    """One feature that would have been another."""

    feature: str
    before: float | int | bool | str | None
    after: float | int | bool | str | None


class FoundStatus(TypedDict):
    """The smallest change found that leads to another action."""

    outcome: Literal["found"]
    text: str
    changes: list[ChangeStatus]
    prediction: float
    action: str
    cost: float
    proven: int
    rows: int


class NoneFoundStatus(TypedDict):
    """Nothing within the searched changes leads there."""

    outcome: Literal["none found"]
    text: str
    searched: list[str]
    proven: int
    rows: int


class GroundsStatus(TypedDict):
    """What is owed with an adverse action."""

    reasons: list[ReasonStatus]
    counterfactual: FoundStatus | NoneFoundStatus | None


class RecordedStatus(TypedDict):
    """What of it stood in the record; the rest is told from the version now."""

    explanation: bool
    grounds: bool


class AgainStatus(TypedDict):
    """What the registered version says of the same row now; null where nothing is on record to compare with."""

    prediction: float
    largest_difference: float | None
    same_grounds: bool | None


class Retold(TypedDict):
    """Why one recorded decision is what it is."""

    decision_id: str
    model: str
    version: int
    at: Moment
    subject: str
    action: str
    prediction: float
    base_value: float
    contributions: list[ReasonStatus]
    grounds: GroundsStatus | None
    recorded: RecordedStatus
    again: AgainStatus


class CardStatus(TypedDict):
    """One version's card in Markdown, with what happened to it since."""

    model: str
    version: int
    standing: Standing
    page: str


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
    replicas_told: bool  # false: they will be, as soon as the Switchboard answers


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
