"""What the control API answers about records, as types: decisions, where they came from, why, and about whom."""

from typing import Any, Literal

from typing_extensions import TypedDict

from windvane.serve_apps.admin.replies import Moment


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
