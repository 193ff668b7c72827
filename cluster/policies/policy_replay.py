"""Ask a policy set again what it says of a request, all of it together and rule by rule. Pure."""

from dataclasses import dataclass
from typing import Protocol

from windvane.cluster.policies.policy import PolicyDecision, Request
from windvane.cluster.policies.policy_set import Rule


@dataclass(frozen=True, slots=True)
class Weighed:
    """Verdict of one rule by itself on a request."""

    rule: Rule
    applies: bool
    error: str = ""  # why it could not be evaluated


class Scales(Protocol):
    """A policy set that can say what each of its rules makes of a request."""

    def judge(self, request: Request) -> PolicyDecision:
        """The verdict of all of them together."""

    def weigh(self, request: Request) -> tuple[Weighed, ...]:
        """Each rule by itself; ValueError or TypeError when the request fits no schema."""


@dataclass(frozen=True, slots=True)
class ReplayedRequest:
    """A request judged again: the verdict of the set it is replayed with, and every rule's part in it."""

    request: Request
    now: PolicyDecision
    weighed: tuple[Weighed, ...]


def replay(request: Request, policy: Scales) -> ReplayedRequest:
    """Judge a request by `policy`; one that fits no schema is denied and weighs nothing."""
    now = policy.judge(request)
    try:
        weighed = policy.weigh(request)
    except (ValueError, TypeError):
        weighed = ()
    return ReplayedRequest(request, now, weighed)
