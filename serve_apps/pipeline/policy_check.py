"""Checks policy on the decision path: whether a question may be decided, and its action taken without a person."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from windvane.cluster.errors import Denied, Unavailable
from windvane.cluster.policies.mandate import digest_of
from windvane.cluster.policies.policy import (
    ACT,
    DECIDE,
    Closed,
    Mandate,
    Policy,
    PolicyDecision,
    Principal,
    Request,
    act_context,
    decide_context,
    ppm,
    require,
)
from windvane.serve_apps.protocol.question import Question

MOST_KEPT = 4096  # bases remembered before all are forgotten


class PolicyPort(Protocol):
    """Holds the policy set that is in force."""

    @property
    def policy(self) -> Policy:
        """The newest; another one after every change."""


class ConsentLookup(Protocol):
    """Tells what subjects agreed to."""

    def of(self, subject: str, purpose: str) -> bool | None:
        """None when the subject never said."""


class PolicyContext(msgspec.Struct, frozen=True, gc=False):
    """On what a question is decided, or is not: the verdict before the model, and everything that it came from."""

    caller: Principal
    roles: tuple[str, ...]
    scope: tuple[str, ...] | None
    purpose: str
    consent: bool | None
    mandate: str  # digest
    policy: Policy  # the same set judges what comes out: no decision is judged by two
    verdict: PolicyDecision
    acts: dict[str, PolicyDecision]  # by action: the newest verdict on it, where it holds for more than one risk


class PolicyCheck:
    """Checks one model's questions and actions, in one replica; belongs to the event loop."""

    def __init__(
        self,
        mandate: Mandate,
        in_force: PolicyPort,
        consents: ConsentLookup,
        is_fresh: Callable[[], bool] = lambda: True,
    ) -> None:
        """`is_fresh` says whether every withdrawal that was acknowledged is known here."""
        self._mandate = mandate
        self._digest = digest_of(mandate)
        self._in_force = in_force
        self._consents = consents
        self._is_fresh = is_fresh
        self._judged_by: Policy = in_force.policy
        self._known: dict[tuple[Principal, str, bool | None], PolicyContext] = {}

    def bases(self, caller: Principal, questions: Sequence[Question]) -> list[PolicyContext]:
        """One for each question; raises Unavailable where no policy is in force, or a consent may have been withdrawn.

        They are remembered by caller, purpose and consent, which with the mandate of this model and the policy set are
        all that they are made from; another set in force, and all are forgotten.
        """
        policy = self._policy()
        if policy is not self._judged_by:
            self._known.clear()
            self._judged_by = policy
        mandate, known = self._mandate, self._known
        found = []
        for question in questions:
            purpose = question.purpose
            consent = self._consent(question.subject, purpose) if purpose in mandate.consent_for else None
            basis = known.get((caller, purpose, consent))
            found.append(basis if basis is not None else self._judge(policy, caller, purpose, consent))
        return found

    def act(self, basis: PolicyContext, action: str, score: float) -> PolicyDecision:
        """Whether the action may be taken without a person; `score` in [0, 1].

        A verdict says for which risks it holds, all else being equal; here all else is: caller, purpose and policy set
        are those of the basis, the mandate is this model's.
        """
        known, risk = basis.acts.get(action), ppm(score)
        if known is not None and known.alike is not None and known.alike[0] <= risk <= known.alike[1]:
            return known
        context = act_context(basis.purpose, action, score)
        verdict = basis.policy.judge(Request(basis.caller, ACT, self._mandate, context))
        if verdict.alike is not None:
            basis.acts[action] = verdict
        return verdict

    def demand(self, caller: Principal, action: str) -> None:
        """Raise Denied unless the caller may do this to the model, and Unavailable where no policy is in force."""
        require(self._policy().judge(Request(caller, action, self._mandate)))

    def demand_open(self) -> None:
        """Raise Unavailable where no policy is in force: whatever is asked would be refused."""
        self._policy()

    def _policy(self) -> Policy:
        policy = self._in_force.policy
        if isinstance(policy, Closed):
            raise Unavailable(f"No policy set is in force for {self._mandate.model} here, and without one nothing is")
        return policy

    def _consent(self, subject: str, purpose: str) -> bool | None:
        if not self._is_fresh():
            raise Unavailable(
                f"Whether the subject still agrees to {purpose} is not known here just now: the Switchboard was not "
                f"heard of for seconds"
            )
        return self._consents.of(subject, purpose)

    def _judge(self, policy: Policy, caller: Principal, purpose: str, consent: bool | None) -> PolicyContext:
        verdict = policy.judge(Request(caller, DECIDE, self._mandate, decide_context(purpose, consent)))
        roles = tuple(sorted(caller.roles))
        scope = None if caller.models is None else tuple(sorted(caller.models))
        basis = PolicyContext(caller, roles, scope, purpose, consent, self._digest, policy, verdict, {})
        if len(self._known) >= MOST_KEPT:  # a caller who makes purposes up cannot fill memory
            self._known.clear()
        self._known[caller, purpose, consent] = basis
        return basis


def denied(verdict: PolicyDecision, decision_ids: Sequence[str]) -> Denied:
    """The error that says so, and under which ids it is on record."""
    return Denied(verdict.reason, verdict.policies, verdict.version, tuple(decision_ids))
