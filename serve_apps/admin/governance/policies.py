"""Publishes, approves, withdraws and shows policy sets, and tells the replicas of each."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from windvane.cluster.errors import Conflict, Unavailable
from windvane.cluster.policies.approval import same_person
from windvane.cluster.policies.policy import APPROVAL, APPROVE, Principal, approve_context
from windvane.cluster.policies.policy_library import PolicyLibrary
from windvane.cluster.policies.policy_register import LivePolicySet, PolicyProposal, Register, proposed
from windvane.cluster.policies.policy_set import PolicySet
from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.governance.replies import LivePolicies, PolicyChange, PolicyStanding, ProposedPolicies
from windvane.serve_apps.sync.policy_in_force import encode_policy
from windvane.serve_apps.sync.topics import FORGET_SECONDS, POLICY

CHANGE_POLICY = "change_policy"  # as policies name it
PATIENCE_SECONDS = FORGET_SECONDS + 1.0  # for replicas: until then, who has not come back is taken for gone
logger = logging.getLogger(__name__)


class Post(Protocol):
    """Tells every replica, and says whether all have it in force within the patience; see `Topics.post`."""

    def __call__(self, topic: str, body: str, patience_seconds: float, revision: int | None = None) -> bool:
        """Say so; may raise Unavailable and Conflict."""
        ...


class PolicyAdmin:
    """One per control replica."""

    def __init__(
        self,
        library: PolicyLibrary,
        admin_policy: AdminPolicy,
        post: Post,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`post` may raise Unavailable."""
        self._library = library
        self._admin_policy = admin_policy
        self._post = post
        self._clock = clock
        self._told = 0  # number of the newest set that replicas were told of

    def standing(self) -> PolicyStanding:
        """The set in force, those that wait, and those that were in force before."""
        return _standing(self._library.register())

    def publish(self, written: PolicySet, reason: str, caller: Principal) -> PolicyChange:
        """Propose a set; it is in force at once where the set before it asks for no second person."""
        verdict = self._admin_policy.demand(caller, CHANGE_POLICY)
        second_person = APPROVAL in verdict.requires
        register = self._library.propose(written, caller.name, reason, self._clock(), second_person=second_person)
        return self._change(register)

    def approve(self, version: str, reason: str, caller: Principal) -> PolicyChange:
        """Put the proposed set in force; Forbidden for whoever proposed it."""
        proposal = proposed(self._library.register(), version)
        self._admin_policy.demand(caller, APPROVE, context=approve_context(proposal.requested_by))
        return self._change(self._library.approve(proposal.version, caller.name, reason, self._clock()))

    def withdraw(self, version: str, reason: str, caller: Principal) -> PolicyChange:
        """Let the proposal go: its requester may, and whoever could have approved it."""
        proposal = proposed(self._library.register(), version)
        if same_person(caller.name, proposal.requested_by):
            self._admin_policy.demand(caller, CHANGE_POLICY)
        else:
            self._admin_policy.demand(caller, APPROVE, context=approve_context(proposal.requested_by))
        return self._change(self._library.withdraw(proposal.version, caller.name, reason, self._clock()))

    def tell(self) -> bool:
        """See that replicas were told of the set in force; whoever steers repeats this. Whether all go by it."""
        live = self._library.register().live
        if live is None or live.number <= self._told:
            return True
        in_force = self._library.in_force()
        assert in_force is not None
        known = self._post(POLICY, encode_policy(in_force), PATIENCE_SECONDS, in_force.number)
        self._told = max(self._told, in_force.number)
        return known

    def _change(self, register: Register) -> PolicyChange:
        try:
            known = self.tell()
        except (Conflict, Unavailable) as error:
            logger.warning("The policies are changed, and the replicas are not told yet: %s", error)
            known = False
        return {"standing": _standing(register), "replicas_told": known}


def _standing(register: Register) -> PolicyStanding:
    return {
        "live": None if register.live is None else _live(register.live),
        "proposal": None if register.proposal is None else _proposal(register.proposal),
        "before": [_live(each) for each in register.before],
    }


def _live(live: LivePolicySet) -> LivePolicies:
    return {
        "number": live.number,
        "version": live.version,
        "requested_by": live.requested_by,
        "approved_by": live.approved_by,
        "reason": live.reason,
        "since": live.since.isoformat(),
    }


def _proposal(proposal: PolicyProposal) -> ProposedPolicies:
    return {
        "version": proposal.version,
        "requested_by": proposal.requested_by,
        "reason": proposal.reason,
        "at": proposal.at.isoformat(),
    }
