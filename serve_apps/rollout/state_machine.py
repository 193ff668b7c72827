"""The rollout's phases as pure functions: shadow → steps → bake → done, and back to the champion from anywhere."""

from dataclasses import replace
from datetime import datetime, timedelta

from windvane.cluster.errors import Conflict
from windvane.configs.sized_plan import TELLING_OUTCOMES, in_words
from windvane.serve_apps.rollout import approval
from windvane.serve_apps.rollout.demanded_split import same_routing, split_of
from windvane.serve_apps.rollout.elapsed import LONGEST_GAP, stay_warm, wait
from windvane.serve_apps.rollout.guardrails.latency import PERSISTENT, lasts
from windvane.serve_apps.rollout.rollout_record import Phase, Rollout, note
from windvane.serve_apps.rollout.verdict import Verdict

HISTORY = 100  # verdicts kept in the record; events keep them all
MOST_COMPARISONS = 2  # once more from full weight, before it is left unproven


def advance(rollout: Rollout, verdict: Verdict, now: datetime) -> Rollout:
    """Move the rollout by the verdict: FAIL goes back (also while paused), PASS goes on, NOT_YET holds.

    Before the gate nothing passes without approval; `max_phase` ends what is not proven, never what only waits for it.
    What is not proven in time is not bad: it goes back as `unproven` and may be tried again.
    """
    rollout = heed(rollout, now)
    if not rollout.active:
        return rollout
    verdict = approval.gated(rollout, verdict)
    rollout = _record(wait(rollout, now), verdict, now)
    if verdict.outcome == "FAIL":
        return go_back(rollout, "rolled_back", verdict.summary, now)
    if rollout.paused:
        return rollout
    if rollout.ready_at is None and approval.lacks_nothing_else(verdict):
        return replace(rollout, ready_at=now)
    if rollout.ready_at is not None and approval.waits(rollout) is not None:
        return rollout
    if lasts(rollout) and not rollout.waived:
        return _compare_again(rollout, now)
    if verdict.outcome == "PASS":
        return _enter_next(rollout, verdict.summary, now)
    limit = rollout.sized.max_phase
    if rollout.waited_seconds > limit.total_seconds():
        then = "tried again once requests come"
        if rollout.outcomes >= TELLING_OUTCOMES:
            then = f"{rollout.outcomes:,} outcomes do not tell it from v{rollout.champion}: left as it is"
        return go_back(rollout, "unproven", f"not proven in {in_words(limit)} ({then}): {verdict.summary}", now)
    return rollout


def set_back(rollout: Rollout, now: datetime) -> Rollout:
    """The record on a clock that was set back: what lies ahead of it began now."""
    if now >= max(rollout.started_at, rollout.entered_at, rollout.in_force_at or now):
        return rollout
    return replace(
        rollout,
        started_at=min(rollout.started_at, now),
        entered_at=min(rollout.entered_at, now),
        in_force_at=None if rollout.in_force_at is None else min(rollout.in_force_at, now),
        looked_at=now,
    )


def heed(rollout: Rollout, now: datetime) -> Rollout:
    """Go back because somebody said that it may not go on."""
    said = rollout.gate.rejection
    if said is None or not rollout.active:
        return rollout
    return go_back(rollout, "aborted", f"{said.by} rejected it: {said.reason}", now)


def go_back(rollout: Rollout, phase: Phase, reason: str, now: datetime) -> Rollout:
    """The champion answers everything again; from any phase, also from done."""
    undone = rollout.phase == "done"
    stopped = rollout.where()
    rollout = replace(
        rollout,
        phase=phase,
        reason=reason,
        revision=rollout.revision + 1,
        in_force_at=None,
        entered_at=now,
        ended_at=now,
        verdict_at=now,
        paused=False,
        settled=False,
    )
    was = "done, undone" if undone else stopped
    detail = f"v{rollout.candidate} is taken back in {was}; v{rollout.champion} answers: {reason}"
    return note(rollout, phase, detail, now, stopped_in=stopped, revision=rollout.revision)


def come_into_force(rollout: Rollout, now: datetime) -> Rollout:
    """Every replica has the split: the phase begins, or the way back is complete and measured."""
    if rollout.in_force_at is not None:
        return rollout
    rollout = replace(rollout, in_force_at=now, stood_seconds=0.0 if rollout.active else rollout.stood_seconds)
    if rollout.verdict_at is None or rollout.rolled_back_in_ms is not None:
        return rollout
    took_ms = max(0.0, (now - rollout.verdict_at).total_seconds() * 1000.0)
    detail = f"Every replica had the split back to v{rollout.champion} in force {took_ms:.0f} ms after the verdict"
    return note(replace(rollout, rolled_back_in_ms=took_ms), "phase", detail, now, rolled_back_in_ms=took_ms)


def pause(rollout: Rollout, by: str, now: datetime) -> Rollout:
    """Hold the split; a FAIL still goes back, and max_phase stands still."""
    _require_active(rollout, "pause")
    if rollout.paused:
        return rollout
    return note(replace(rollout, paused=True), "paused", f"{by} paused v{rollout.candidate} in {rollout.where()}", now)


def resume(rollout: Rollout, by: str, now: datetime) -> Rollout:
    """Go on; max_phase counts anew, the evidence stays."""
    _require_active(rollout, "resume")
    if not rollout.paused:
        return rollout
    rollout = replace(rollout, paused=False, entered_at=now, waited_seconds=0.0, looked_at=now)
    return note(rollout, "resumed", f"{by} resumed v{rollout.candidate} in {rollout.where()}", now)


def promote(rollout: Rollout, by: str, why: str, now: datetime) -> Rollout:
    """Skip the remaining steps by an operator's hand: all to the candidate, then bake; a FAIL still goes back."""
    _require_active(rollout, "promote")
    if rollout.in_force_at is None:
        raise Conflict(f"v{rollout.candidate} is not loaded everywhere yet: promote when {rollout.where()} is in force")
    waiting = approval.waits(rollout)
    if waiting is not None:
        raise Conflict(f"v{rollout.candidate} {waiting}: a promotion by hand needs that too")
    override = f"{by} promoted it in {rollout.where()}: {why}"
    rollout = replace(rollout, waived=True, paused=False, overridden=(*rollout.overridden, override))
    if rollout.phase == "bake":
        return note(rollout, "phase", f"v{rollout.candidate} bakes without further proof: {override}", now)
    return _enter(rollout, "bake", 0, override, now)


def retire(rollout: Rollout, now: datetime, longest_gap: timedelta = LONGEST_GAP) -> Rollout:
    """Let the old champion leave memory once the rollback window is over, as counted by looks."""
    before = rollout.predecessor
    if before is not None and not rollout.active and not before.in_time(now):
        return replace(rollout, predecessor=None, revision=rollout.revision + 1, in_force_at=None)
    if rollout.phase != "done" or rollout.retired or rollout.ended_at is None:
        return rollout
    rollout = stay_warm(rollout, now, longest_gap)
    if rollout.stood_seconds < rollout.declared.rollback_window.total_seconds():
        return rollout
    return replace(rollout, retired=True, revision=rollout.revision + 1, in_force_at=None)


def _enter_next(rollout: Rollout, evidence: str, now: datetime) -> Rollout:
    last, passed = len(rollout.declared.steps) - 1, f"{rollout.where()} passed"
    if rollout.phase == "shadow":
        given = rollout.gate.approval
        return _enter(rollout, "step", 0, passed + (f", {given.by} approved" if given else ""), now)
    if rollout.phase == "step" and rollout.step < last:
        return _enter(rollout, "step", rollout.step + 1, passed, now)
    if rollout.phase == "step":
        return _enter(rollout, "bake", 0, passed, now)
    return _enter(rollout, "done", 0, evidence, now)


def _compare_again(rollout: Rollout, now: datetime) -> Rollout:
    """From full weight to the last step in which both answer: only there a slow version is told from a busy machine."""
    late = f"v{rollout.candidate} alone was late {PERSISTENT} stretches in a row"
    both = [place for place, step in enumerate(rollout.sized.steps) if step.weight < 1.0]
    if not both or rollout.compared_again >= MOST_COMPARISONS:
        why = "no slower when both answer" if both else "no step of the plan compares it with the champion"
        return go_back(rollout, "unproven", f"{late}, {why}", now)
    again = replace(rollout, compared_again=rollout.compared_again + 1)
    return _enter(again, "step", both[-1], f"{late}: compared with v{rollout.champion} at the same time", now)


def _enter(rollout: Rollout, phase: Phase, step: int, reason: str, now: datetime) -> Rollout:
    entered = replace(rollout, phase=phase, step=step, reason=reason, entered_at=now, in_force_at=now)
    entered = replace(entered, looked_at=now, waited_seconds=0.0, stood_seconds=0.0, lateness=None)
    if phase == "done":
        entered = replace(entered, predecessor=None)
    if not same_routing(split_of(rollout, ()), split_of(entered, ())):
        before = entered.predecessor  # leaves memory with a split that begins anyway: its end begins no epoch
        kept = before if before is not None and before.in_time(now) else None
        entered = replace(entered, revision=rollout.revision + 1, in_force_at=None, predecessor=kept)
    if phase != "done":
        detail = f"v{entered.candidate} enters {entered.where()} against v{entered.champion}: {reason}"
        return note(entered, "phase", detail, now, revision=entered.revision)
    entered = replace(entered, ended_at=now, settled=False)
    return note(entered, "promoted", f"v{entered.candidate} is champion in place of v{entered.champion}: {reason}", now)


def _record(rollout: Rollout, verdict: Verdict, now: datetime) -> Rollout:
    known = rollout.verdict is not None and rollout.verdict.reason() == verdict.reason()
    rollout = replace(rollout, verdict=verdict)
    if known:
        return rollout
    rollout = replace(rollout, history=(*rollout.history, verdict)[-HISTORY:])
    figures = {guardrail.name: guardrail.value for guardrail in verdict.guardrails if guardrail.value is not None}
    return note(rollout, "verdict", verdict.summary, now, outcome=verdict.outcome, **figures)


def _require_active(rollout: Rollout, verb: str) -> None:
    if not rollout.active:
        raise Conflict(f"Cannot {verb}: the rollout of v{rollout.candidate} is over ({rollout.where()})")
