"""Types of the control API's replies: `status.py` fills them, FastAPI's schema tells of them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from windvane.cluster.registry import Standing
from windvane.monitoring.loop import requests
from windvane.serve_apps.rollout.rollout_record import Phase
from windvane.serve_apps.rollout.verdict import Outcome

Moment: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class CauseStatus(TypedDict):
    """Number of requests or rows, by declared field (empty: the whole request) and reason."""

    field: str
    reason: str
    count: int


class TrafficStatus(TypedDict):
    """Rates, latencies and totals as the monitor has them; null where nothing was seen."""

    decisions: int
    errors: int
    decisions_per_second: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    labelled: int
    corrected: int
    unmatched: int
    waiting: int
    waiting_dropped: int
    replicas: int
    shadow_dropped: dict[str, int]
    shadow_unmatched: int
    denied: dict[str, int]
    refused: int
    refusals: list[CauseStatus]
    warnings: list[CauseStatus]


class ArmStatus(TypedDict):
    """One version that answers, and its share of the units."""

    name: str
    version: int
    weight: float


class SplitStatus(TypedDict):
    """Versions that answer, that are scored beside, and that are kept loaded."""

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
    """One person's answer to a change that needs two."""

    by: str
    at: Moment
    reason: str


class ApprovalStatus(TypedDict):
    """The approval before the first step: who asked for the rollout, and what was said to it."""

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
    times: str  # what the plan asks for at the measured traffic, in words
    verdict: VerdictStatus | None
    approval: ApprovalStatus | None


class RetrainStatus(TypedDict):
    """Reason and progress of a retraining."""

    request_id: str
    status: requests.Status
    cause: Literal["findings", "growth", "schedule", "manual"]
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


class WaitStatus(TypedDict):
    """Something that cannot start: a replica, a job, a training; `model` is null where it is of no single one."""

    model: str | None
    sentence: str  # who waits, for what, and what there is to do
    since: Moment


class Overview(TypedDict):
    """Every model's status at one moment, and who waits for what."""

    at: Moment
    models: list[ModelStatus]
    waits: list[WaitStatus]


class Deployed(TypedDict):
    """The declaration that serves from now on."""

    model: str
    champion: int
    spec_digest: str
    example: dict[str, Any]  # a request to `decide`, made from the declaration


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
    """Events, oldest first."""

    events: list[EventStatus]


class CardStatus(TypedDict):
    """One version's card in Markdown, with what happened to it since."""

    model: str
    version: int
    standing: Standing
    page: str
