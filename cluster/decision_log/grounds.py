"""Grounds of a decision as people are told them: principal reasons, and what would have led to another action.

Kept word for word with the decision, since the words of a declaration may change after it.
"""

import msgspec

from windvane.cluster.decision_log.value import Value


class Reason(msgspec.Struct, frozen=True, gc=False):
    """One feature's part in a score, in log-odds, with the value that was asked about."""

    feature: str
    value: Value
    weight: float
    text: str


class FeatureChange(msgspec.Struct, frozen=True, gc=False):
    """One feature that would have been another."""

    feature: str
    before: Value
    after: Value


class Counterfactual(msgspec.Struct, frozen=True, gc=False, tag_field="outcome", tag="found"):
    """The smallest change found, and what the version says of the record with it."""

    text: str
    changes: tuple[FeatureChange, ...]
    prediction: float
    action: str
    cost: float
    proven: int  # no cheaper change of up to so many features does it; further ones were searched in part
    rows: int  # scored to find it


class NoneFound(msgspec.Struct, frozen=True, gc=False, tag_field="outcome", tag="none found"):
    """Nothing within the searched changes leads to a wanted action; not that nothing could."""

    text: str
    searched: tuple[str, ...]  # the features that could be changed
    proven: int  # no change of up to so many of them does it; further ones were searched in part
    rows: int


class Grounds(msgspec.Struct, frozen=True, gc=False):
    """Grounds that are owed with an adverse action; `counterfactual` is None where none is declared."""

    reasons: tuple[Reason, ...]
    counterfactual: Counterfactual | NoneFound | None = None
