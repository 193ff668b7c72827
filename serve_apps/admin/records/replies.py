"""Types of the control API's replies about records: decisions, their origins, their reasons, their subjects."""

from typing import Any, Literal

from typing_extensions import TypedDict

from windvane.serve_apps.admin.replies import Moment


class DecisionsPage(TypedDict):
    """Decisions as they were logged, oldest first; `next` is `after` of the page that follows."""

    decisions: list[dict[str, Any]]
    next: str | None


class Lineage(TypedDict):
    """Origin of a decision; null where it is not known."""

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
    """Records about a subject in one model's log."""

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
    """Grounds that are owed with an adverse action."""

    reasons: list[ReasonStatus]
    counterfactual: FoundStatus | NoneFoundStatus | None


class RecordedStatus(TypedDict):
    """Parts that stood in the record; the rest is told from the version now."""

    explanation: bool
    grounds: bool


class AgainStatus(TypedDict):
    """The registered version's answer to the same row now; null where nothing is on record to compare with."""

    prediction: float
    largest_difference: float | None
    same_grounds: bool | None


class Retold(TypedDict):
    """Explanation of one recorded decision."""

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
