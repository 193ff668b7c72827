"""The gate before a rollout's first step, where its plan says `approval: required`. Pure."""

import hashlib
from dataclasses import replace
from datetime import datetime

import msgspec

from windvane.cluster.errors import Conflict
from windvane.cluster.policies import approval
from windvane.cluster.policies.approval import ChangeToApprove
from windvane.serve_apps.rollout.rollout_record import Rollout, note
from windvane.serve_apps.rollout.verdict import Guardrail, Verdict, conclude

APPROVAL = "approval"  # the guardrail's name
SHOWN = 12  # digits of a digest that people read


def change_of(rollout: Rollout) -> ChangeToApprove:
    """The change to approve: this version, by the plan that was frozen when the rollout began."""
    return ChangeToApprove(f"v{rollout.candidate} of {rollout.model}", plan_digest(rollout))


def plan_digest(rollout: Rollout) -> str:
    """SHA-256 of the frozen plan."""
    return hashlib.sha256(msgspec.json.encode(dict(rollout.plan), order="deterministic")).hexdigest()


def required(rollout: Rollout) -> bool:
    """Whether the plan asks for a second person."""
    return rollout.declared.approval == "required"


def waits(rollout: Rollout) -> str | None:
    """Reason why it may not leave the shadow, whatever was measured; None when it may, or is past it."""
    if rollout.phase != "shadow" or not required(rollout):
        return None
    return rollout.gate.waits_for(change_of(rollout))


def gated(rollout: Rollout, verdict: Verdict) -> Verdict:
    """The verdict with the approval among its guardrails, while the rollout is before the gate."""
    if rollout.phase != "shadow" or not required(rollout):
        return verdict
    waiting, given = waits(rollout), rollout.gate.approval
    guardrail = Guardrail(APPROVAL, "NOT_YET", waiting or "")
    if waiting is None and given is not None:
        guardrail = Guardrail(APPROVAL, "PASS", f"approved by {given.by}: {given.reason}")
    return conclude(verdict.at, verdict.where, (*verdict.guardrails, guardrail))


def lacks_nothing_else(verdict: Verdict) -> bool:
    """Whether the approval is all that is still waited for."""
    return {each.name for each in verdict.deciding()} == {APPROVAL}


def request(rollout: Rollout, now: datetime) -> Rollout:
    """A rollout that has just begun, asking for approval where its plan does."""
    waiting = waits(rollout)
    if waiting is None:
        return rollout
    command = f"windvane rollout approve {rollout.model} --version {rollout.candidate}"
    return _told(rollout, "approval_requested", f"v{rollout.candidate} {waiting}: `{command}`", now)


def approve(rollout: Rollout, version: int, plan: str | None, by: str, why: str, now: datetime) -> Rollout:
    """Let it leave the shadow once it is proven; the time that a phase may take counts anew where it waited for this.

    `plan` is the digest of the plan that was looked at, or how it begins. Raises Conflict and Forbidden.
    """
    _require_same(rollout, version, plan, "approve")
    given = rollout.gate.approval
    if given is not None and approval.same_person(given.by, by):
        return rollout  # also later on: who asks again may not have had the answer
    _require_before_the_gate(rollout, "approve")
    approved = replace(rollout, gate=approval.approve(rollout.gate, change_of(rollout), by, why, now))
    if rollout.ready_at is not None:
        approved = replace(approved, entered_at=now, looked_at=now, waited_seconds=0.0)
    asked = f"which {rollout.gate.requester} asked for, by plan {plan_digest(rollout)[:SHOWN]}"
    return _told(approved, "approved", f"{by} approved v{rollout.candidate}, {asked}: {why}", now, by=by)


def reject(rollout: Rollout, version: int, plan: str | None, by: str, why: str, now: datetime) -> Rollout:
    """Put on record that it may not go on; `heed` in machine.py then ends it. Raises Conflict."""
    _require_same(rollout, version, plan, "reject")
    if rollout.gate.rejection is not None:
        return rollout
    _require_before_the_gate(rollout, "reject")
    rejected = replace(rollout, gate=approval.reject(rollout.gate, change_of(rollout), by, why, now))
    return _told(rejected, "rejected", f"{by} rejected v{rollout.candidate}: {why}", now, by=by)


def _require_same(rollout: Rollout, version: int, plan: str | None, verb: str) -> None:
    if version != rollout.candidate:
        raise Conflict(
            f"Cannot {verb} v{version}: the rollout of {rollout.model} is that of v{rollout.candidate}; look at that"
        )
    digest = plan_digest(rollout)
    if plan is not None and not digest.startswith(plan):
        raise Conflict(
            f"Cannot {verb} v{version} by plan {plan[:SHOWN]}: "
            f"it is proven by plan {digest[:SHOWN]} now; look at it first"
        )


def _require_before_the_gate(rollout: Rollout, verb: str) -> None:
    name, where = f"v{rollout.candidate}", rollout.where()
    if not required(rollout):
        raise Conflict(f"Cannot {verb} {name}: its plan asks for no approval; `abort` ends a rollout")
    if not rollout.active:
        raise Conflict(f"Cannot {verb} {name}: its rollout is over ({where})")
    if rollout.phase != "shadow":
        given = rollout.gate.approval
        by = "approved" if given is None else f"approved by {given.by}"
        raise Conflict(f"Cannot {verb} {name}: it was {by} and is in {where}; `abort` ends a rollout")


def _told(rollout: Rollout, kind: str, detail: str, now: datetime, **facts: str) -> Rollout:
    plan, requester = plan_digest(rollout), rollout.gate.requester
    return note(rollout, kind, detail, now, requester=requester, plan=plan, **facts)
