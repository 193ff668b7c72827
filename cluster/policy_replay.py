"""Judge again what is on record, by any policy version: what would that set say, and rule by rule, why? Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cluster.policy import Request, Verdict
from cluster.policy_set import Rule


@dataclass(frozen=True, slots=True)
class Weighed:
    """What one rule by itself makes of a request."""

    rule: Rule
    applies: bool
    error: str = ""  # why it could not be evaluated


class Scales(Protocol):
    """A policy set that can say what each of its rules makes of a request."""

    def judge(self, request: Request) -> Verdict:
        """The verdict of all of them together."""

    def weigh(self, request: Request) -> tuple[Weighed, ...]:
        """Each rule by itself; ValueError or TypeError when the request fits no schema."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded request judged again: `then` is the verdict on record, `now` that of the set it is replayed with."""

    request: Request
    then: Verdict | None
    now: Verdict
    weighed: tuple[Weighed, ...]

    @property
    def same_set(self) -> bool:
        """Whether the set of the record is the one it is replayed with."""
        return self.then is not None and self.then.version == self.now.version

    @property
    def changed(self) -> bool:
        """Whether the outcome is another one; by the same set that means a record that is not what was judged."""
        return self.then is not None and self.then.outcome != self.now.outcome


def replay(request: Request, then: Verdict | None, policy: Scales) -> Replay:
    """Judge a recorded request by `policy`; a request that fits no schema is denied and weighs nothing."""
    now = policy.judge(request)
    try:
        weighed = policy.weigh(request)
    except (ValueError, TypeError):
        weighed = ()
    return Replay(request, then, now, weighed)


def explained(replay: Replay) -> Iterator[str]:
    """The replay in lines for people: the verdict, what it was, and every rule that applies or failed."""
    now, then = replay.now, replay.then
    reason = f": {now.reason}" if now.reason else ""
    yield f"{now.outcome} by {', '.join(now.policies) or 'no rule'} of {now.version[:12]}{reason}"
    yield from (f"  error: {error}" for error in now.errors)
    if then is not None:
        as_recorded = "the same outcome" if not replay.changed else f"another outcome, {then.outcome}"
        ids = ", ".join(then.policies) or "no rule"
        yield f"on record: {as_recorded} by {ids} of {then.version[:12]}"
        if replay.changed and replay.same_set:
            yield "  The same set does not judge its own record so: the record is not what was judged."
    for weighed in replay.weighed:
        if weighed.applies or weighed.error:
            what = weighed.error or f"{weighed.rule.effect}s this"
            yield f"  {weighed.rule.place}: {weighed.rule.id} {what}"
