"""The records of the decision log: what was decided, what shadows would have said, what happened after, who did what.

They hold values only and so never form a cycle: with `gc=False` the collector leaves them alone, and reading takes
less than half the time.
"""

from typing import TypeAlias

import msgspec

from windvane.cluster.decision_log.grounds import Grounds
from windvane.cluster.decision_log.value import Value as Value

ALLOW, REFER, DENY = "allow", "refer", "deny"  # what policy said; `deny` was not answered
DENIED = "denied"  # the arm of what was not answered: a word that stands early in the record, and that no split has


class Decision(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="decision"):
    """One decision; times are Unix seconds, `features` are the raw values in the spec's order.

    One that policy denied is on record, too: before a model was asked with version 0 and neither prediction nor action,
    after it with what was proposed and blocked.
    """

    decision_id: str
    at: float  # when it was answered, or denied
    event_time: float  # the model's own clock; equals `at` when the caller gave none
    version: int
    arm: str
    revision: int  # of the split in force: the epoch
    subject: str  # its keyed hash, once the vault protects it
    unit_hash: int
    features: tuple[Value, ...]  # None where one is personal
    prediction: float | None
    action: str
    reasons: tuple[str, ...] = ()
    context: dict[str, Value] = {}
    request_id: str | None = None
    explanation: tuple[float, ...] | None = None  # base value, then one contribution per feature
    grounds: Grounds | None = None  # what was told of an adverse action
    caller: str = ""  # who asked
    roles: tuple[str, ...] = ()  # of the caller, at the time
    scope: tuple[str, ...] | None = None  # models that the caller might use, at the time; None is all of them
    purpose: str = ""  # what the decision was asked for
    consent: bool | None = None  # the subject's, where the purpose needs one; None when it never said
    proposed: str = ""  # the action that the score led to; empty where no model was asked
    verdict: str = ALLOW
    policies: tuple[str, ...] = ()  # ids of those that determined it, before the model and after
    policy_version: str = ""  # hash of the policy set that they are of
    mandate: str = ""  # digest of what the model was meant for, at the time
    personal: bytes | None = None  # what is told about the subject, encrypted (`personal.py`)

    @property
    def is_denied(self) -> bool:
        """Whether it was not answered."""
        return self.arm == DENIED


class Shadow(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="shadow"):
    """Scores that one version that did not answer would have given some decisions."""

    at: float
    version: int
    decision_ids: tuple[str, ...]
    predictions: tuple[float, ...]


class Outcome(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="outcome"):
    """Outcome of a decision: a label and/or KPI values."""

    decision_id: str
    at: float
    label: bool | None
    kpis: dict[str, float] = {}
    caller: str = ""  # who reported it


class Act(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="act"):
    """Something that was done to Windvane or by it: an order, a change, a phase, a verdict, an erasure, a read."""

    at: float
    kind: str  # in one word
    who: str  # a caller's name, or the part of Windvane that did it by itself
    model: str  # empty where it is about no single one
    version: int | None
    detail: str  # one sentence
    facts: dict[str, Value] = {}


Record: TypeAlias = Decision | Shadow | Outcome | Act


class Unopened(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="decision"):
    """A decision with its larger parts left in msgpack: 24 numbers are 24 objects that columns do not need."""

    decision_id: str
    at: float
    event_time: float
    version: int
    arm: str
    revision: int
    subject: str
    unit_hash: int
    features: msgspec.Raw
    prediction: float | None
    action: str
    reasons: tuple[str, ...] = ()
    context: msgspec.Raw = msgspec.Raw(b"\x80")
    request_id: str | None = None
    explanation: tuple[float, ...] | None = None
    grounds: msgspec.Raw = msgspec.Raw(b"\xc0")
    caller: str = ""
    roles: tuple[str, ...] = ()
    scope: tuple[str, ...] | None = None
    purpose: str = ""
    consent: bool | None = None
    proposed: str = ""
    verdict: str = ALLOW
    policies: tuple[str, ...] = ()
    policy_version: str = ""
    mandate: str = ""
    personal: bytes | None = None


class Brief(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="decision"):
    """The part of a decision that joining needs, read at a third of the whole one's cost."""

    decision_id: str
    at: float
    event_time: float
    version: int
    arm: msgspec.Raw
    revision: int
    subject: msgspec.Raw
    unit_hash: int
    features: msgspec.Raw
    prediction: float | None

    @property
    def is_denied(self) -> bool:
        """Whether it was not answered."""
        return self.arm == _DENIED


_DENIED = msgspec.Raw(msgspec.msgpack.encode(DENIED))
BriefRecord: TypeAlias = Brief | Shadow | Outcome | Act
