"""Registers the policy set in force, the one somebody wants instead, who asked and who approved. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from windvane.cluster.errors import Conflict, NotFound
from windvane.cluster.policies import approval
from windvane.cluster.policies.approval import ChangeToApprove, Gate


@dataclass(frozen=True, slots=True)
class LivePolicySet:
    """A policy set that is in force; `number` rises with every one, so replicas know the newer of two."""

    number: int
    version: str  # the set's hash
    requested_by: str
    approved_by: str | None  # None where the set before it asked for no second person
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class PolicyProposal:
    """A policy set that waits for a second person."""

    version: str
    requested_by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Register:
    """One per Windvane, saved whole by compare-and-set: so one proposal at a time, and nobody approves another one."""

    live: LivePolicySet | None = None
    proposal: PolicyProposal | None = None
    before: tuple[LivePolicySet, ...] = ()  # what was in force, oldest first: who asked and who approved is never lost


def propose(register: Register, version: str, by: str, reason: str, now: datetime, *, second_person: bool) -> Register:
    """With `second_person` the set waits for `approve`, else it is in force at once; doing it twice is doing it once.

    Raises Conflict when it is in force already, or while another proposal waits.
    """
    open_one = register.proposal
    if register.live is not None and register.live.version == version:
        raise Conflict(f"Policy set {version[:12]} is in force already")
    if open_one is not None:
        if (open_one.version, open_one.requested_by) == (version, by):
            return register
        raise Conflict(
            f"{open_one.requested_by} proposed policy set {open_one.version[:12]}, which waits for a second person: "
            f"approve or withdraw that first"
        )
    proposal = PolicyProposal(version, by, reason, now)
    return replace(register, proposal=proposal) if second_person else _in_force(register, proposal, None, now)


def approve(register: Register, version: str, by: str, reason: str, now: datetime) -> Register:
    """The proposed set is in force; raises Forbidden for whoever asked for it, NotFound when it does not wait.

    A policy set forbids the same (`four-eyes`), but a set must not be able to let go of the rule for its own successor.
    """
    proposal = proposed(register, version)
    # The approval is the act: it raises, or not.
    approval.approve(Gate(proposal.requested_by), _change(proposal), by, reason, now)
    return _in_force(register, proposal, by, now)


def withdraw(register: Register, version: str) -> Register:
    """The proposal does not wait any more, and nothing else changes; raises NotFound when it does not wait."""
    proposed(register, version)
    return replace(register, proposal=None)


def proposed(register: Register, version: str) -> PolicyProposal:
    """The proposal of that version, or a prefix of at least 8 digits; raises NotFound when it does not wait."""
    proposal = register.proposal
    if proposal is None or len(version) < 8 or not proposal.version.startswith(version):
        waits = "none waits" if proposal is None else f"{proposal.version[:12]} waits"
        raise NotFound(f"No policy set {version[:12]!a} waits for approval; {waits}")
    return proposal


def _change(proposal: PolicyProposal) -> ChangeToApprove:
    return ChangeToApprove(f"policy set {proposal.version[:12]}", proposal.version)


def _in_force(register: Register, proposal: PolicyProposal, approved_by: str | None, now: datetime) -> Register:
    before = register.before if register.live is None else (*register.before, register.live)
    live = LivePolicySet(len(before) + 1, proposal.version, proposal.requested_by, approved_by, proposal.reason, now)
    return Register(live, None, before)
