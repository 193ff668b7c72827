"""Approves a change: the gate opens when somebody other than who asked approved exactly this change. Pure.

Rollouts keep one each (serve_apps/rollout/approval.py). Whatever else needs four eyes keeps one beside the change and
asks `waits_for` before it acts, or, where the approval is the act, calls `approve` and acts when it does not raise.
"""

import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime

from windvane.cluster.errors import Conflict, Forbidden, Invalid

LOOP = "windvane"  # who asks where no person did; it approves nothing


@dataclass(frozen=True, slots=True)
class ChangeToApprove:
    """Exactly what is to be approved; the same words with another digest are another change."""

    what: str  # in words: `v3 of flight-delay`
    digest: str  # of its content, hexadecimal: the plan of a rollout, the files of a policy set


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """One person's answer to one change."""

    by: str
    at: datetime  # wall clock
    reason: str
    change: ChangeToApprove


@dataclass(frozen=True, slots=True)
class Gate:
    """Requester of a change and the answers to it; whoever keeps the gate knows what the change is now.

    >>> from datetime import UTC, datetime
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> old, new = (ChangeToApprove("the policy set", digest) for digest in ("4f", "a0"))
    >>> gate = approve(Gate("ada"), old, "bob", "read it", now)
    >>> gate.waits_for(old), gate.waits_for(new)
    (None, "waits for approval by somebody other than ada (bob's was given for something else)")
    """

    requester: str = LOOP
    approval: ApprovalAnswer | None = None
    rejection: ApprovalAnswer | None = None

    def waits_for(self, change: ChangeToApprove) -> str | None:
        """Reason why it is closed to that change, in words; None when it is open."""
        given = self.approval
        if self.rejection is not None:
            return f"was rejected by {self.rejection.by}: {self.rejection.reason}"
        if given is not None and given.change == change and not self._may_not(given.by):
            return None
        stray = "" if given is None else f" ({given.by}'s was given for something else)"
        return f"waits for approval by somebody other than {self.requester}{stray}"

    def _may_not(self, by: str) -> bool:
        return same_person(by, self.requester) or same_person(by, LOOP)


def approve(gate: Gate, change: ChangeToApprove, by: str, reason: str, now: datetime) -> Gate:
    """The gate, open to that change; approving twice is approving once.

    Raises Forbidden for who asked, Conflict when somebody has answered already, Invalid without a reason.
    """
    if same_person(by, LOOP):
        raise Forbidden(f"Nobody approves under the name {LOOP!r}, which stands for the loop: use a key of your own")
    if same_person(by, gate.requester):
        raise Forbidden(
            f"{by!r} asked for {change.what}, and whoever asks may not approve: "
            "let somebody else approve it, with a key of their own"
        )
    if gate.rejection is not None:
        raise Conflict(f"{change.what} {gate.waits_for(change)}: ask for it anew")
    given = gate.approval
    if given is not None and gate.waits_for(change) is None:
        if same_person(given.by, by):
            return gate
        raise Conflict(f"{given.by} has approved {change.what} already: {given.reason}")
    return replace(gate, approval=ApprovalAnswer(by, now, _given(reason), change))


def reject(gate: Gate, change: ChangeToApprove, by: str, reason: str, now: datetime) -> Gate:
    """The gate, closed for good; whoever asked may do it too. Rejecting twice is rejecting once."""
    if gate.rejection is not None:
        return gate
    return replace(gate, rejection=ApprovalAnswer(by, now, _given(reason), change))


def same_person(one: str, other: str) -> bool:
    """Whether two names are the same caller's to a reader, however they are written.

    >>> same_person("Ada", " ada"), same_person("ada", "bob")
    (True, False)
    """
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


def _given(reason: str) -> str:
    if not reason.strip():
        raise Invalid("An answer needs a reason: it stays on the record")
    return reason
