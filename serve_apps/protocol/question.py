"""Questions that endpoints put to the decider, and the answers."""

import msgspec

from windvane.cluster.decision_log.grounds import Grounds, Reason
from windvane.cluster.decision_log.record import Value


class Question(msgspec.Struct, frozen=True):
    """One decision that is asked for: validated, with the row in the spec's order and None for missing."""

    subject: str
    row: tuple[Value, ...]
    event_time: float | None = None  # Unix seconds; None is the time of arrival
    context: dict[str, Value] = {}
    explain: bool = False
    request_id: str | None = None  # idempotency key
    purpose: str = ""  # what the decision is wanted for; policies say whether it may be


class Answer(msgspec.Struct, frozen=True):
    """One decision as made; `explanation` is the base value, then one contribution per feature, in log-odds."""

    decision_id: str
    version: int
    arm: str
    prediction: float
    action: str
    reasons: tuple[str, ...]
    features: tuple[str, ...] = ()  # the names behind `explanation`, in its order
    explanation: tuple[float, ...] | None = None
    top: tuple[Reason, ...] = ()  # what weighed most, heaviest first, where there is an explanation
    grounds: Grounds | None = None  # what is owed with an adverse action
