"""A decision on record, judged again by any policy set: before the model, and where it got so far, after it. Pure.

Policies see nothing that is personal, so no vault is opened, and an erased subject's decisions are judged like others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from windvane.cluster.decision_log.record import DENY, REFER
from windvane.cluster.policies.policy import (
    ACT,
    DECIDE,
    CallerFacts,
    Mandate,
    PolicyDecision,
    Request,
    act_context,
    decide_context,
)
from windvane.cluster.policies.policy_replay import ReplayedRequest, Scales, replay


@dataclass(frozen=True, slots=True)
class Recorded:
    """The log's word on one decision, as far as policies could see it."""

    decision_id: str
    caller: CallerFacts
    purpose: str
    consent: bool | None
    proposed: str  # the action that the score led to; empty where no model was asked
    score: float | None
    outcome: str  # allow, refer or deny
    policies: tuple[str, ...]
    policy_version: str
    mandate: str  # digest

    def requests(self, mandate: Mandate) -> tuple[Request, ...]:
        """Requests to the policies, with the mandate of that digest."""
        before = Request(self.caller, DECIDE, mandate, decide_context(self.purpose, self.consent))
        if self.score is None:
            return (before,)
        return before, Request(self.caller, ACT, mandate, act_context(self.purpose, self.proposed, self.score))


@dataclass(frozen=True, slots=True)
class Retrial:
    """The record and what a policy set says now, request by request."""

    recorded: Recorded
    replays: tuple[ReplayedRequest, ...]

    @property
    def outcome(self) -> str:
        """Overall outcome by the set: a denial before the model ends it."""
        return next((each.now.outcome for each in self.replays if not each.now.allowed), "allow")

    @property
    def policies(self) -> tuple[str, ...]:
        """Those that determine it now."""
        return tuple(id for each in self.replays for id in each.now.policies)

    @property
    def same_set(self) -> bool:
        """Whether it is judged by the set that judged it."""
        return all(each.now.version == self.recorded.policy_version for each in self.replays)

    @property
    def changed(self) -> bool:
        """Whether it comes out otherwise; by the same set, that means a record that is not what was judged."""
        otherwise = self.outcome != self.recorded.outcome
        return otherwise or (self.same_set and set(self.policies) != set(self.recorded.policies))


def recorded(row: Mapping[str, Any]) -> Recorded:
    """A row of the log's view `asked`."""
    scope = row["scope"]
    standing = CallerFacts(
        row["caller"] or "", frozenset(row["roles"] or ()), None if scope is None else frozenset(scope)
    )
    return Recorded(
        row["decision_id"],
        standing,
        row["purpose"] or "",
        row["consent"],
        row["proposed"] or row["action"],
        row["prediction"],
        row["verdict"] or "",
        tuple(row["policies"] or ()),
        row["policy_version"] or "",
        row["mandate"] or "",
    )


def retry(found: Recorded, mandate: Mandate, policy: Scales) -> Retrial:
    """Judge it again; what comes after the model only where the set lets it come so far."""
    replays: list[ReplayedRequest] = []
    for request in found.requests(mandate):
        replays.append(replay(request, policy))
        if not replays[-1].now.allowed:
            break
    return Retrial(found, tuple(replays))


def explained(retrial: Retrial) -> Iterator[str]:
    """The retrial in lines for people, rule by rule."""
    found = retrial.recorded
    told = {DENY: "denied", REFER: "referred to a person"}.get(found.outcome, "allowed")
    about = f" for {found.purpose}" if found.purpose else ""
    yield f"{found.decision_id}: asked by {found.caller.name or 'nobody on record'}{about}"
    yield f"on record: {told} by {', '.join(found.policies) or 'no rule'} of policy set {found.policy_version[:12]}"
    for each in retrial.replays:
        when = (
            "before the model" if each.request.action == DECIDE else f"after it ({found.proposed}, {found.score:.6f})"
        )
        yield f"{when}: {_said(each.now)}"
        yield from (f"  error: {error}" for error in each.now.errors)
        for weighed in each.weighed:
            if weighed.applies or weighed.error:
                yield f"  {weighed.rule.place}: {weighed.rule.id} {weighed.error or f'{weighed.rule.effect}s this'}"
    if not retrial.changed:
        yield "The outcome is the one on record."
    elif retrial.same_set:
        yield "The same policy set does not judge its own record so: the record is not what was judged."
    else:
        yield "This policy set would have judged otherwise."


def _said(verdict: PolicyDecision) -> str:
    reason = f": {verdict.reason}" if verdict.reason else ""
    return f"{verdict.outcome} by {', '.join(verdict.policies) or 'no rule'} of {verdict.version[:12]}{reason}"
