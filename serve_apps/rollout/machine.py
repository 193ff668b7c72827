"""The rollout's phases as pure functions: shadow → steps → bake → done, and back to the champion from anywhere."""

from dataclasses import replace
from datetime import datetime, timedelta

from cluster.errors import Conflict
from cluster.gate import LOOP, Gate
from configs.schema import Objectives, Plan
from serve_apps.rollout import approval
from serve_apps.rollout.plan import Phase, Rollout, note
from serve_apps.rollout.verdict import Verdict
from serve_apps.router import Arm, Split

HISTORY = 100  # verdicts kept in the record; events keep them all


def begin(
    model: str,
    candidate: int,
    champion: int,
    plan: Plan,
    objectives: Objectives,
    revision: int,
    cause: str,
    now: datetime,
    skip_shadow: bool = False,
    overridden: tuple[str, ...] = (),
    requester: str = LOOP,
) -> Rollout:
    """A rollout in its first phase; it always loads and scores the candidate before it lets it answer.

    `requester` is who may not approve it, where the plan asks for approval.
    """
    skip_shadow = skip_shadow or not plan.shadow
    rollout = Rollout(
        id=f"{revision}-v{candidate}",
        model=model,
        candidate=candidate,
        champion=champion,
        plan=plan.model_dump(mode="json"),
        objectives=objectives.model_dump(mode="json"),
        salt=f"{revision}:{candidate}:{model}",  # the revision first: a hash key is cut at 64 bytes
        revision=revision,
        phase="shadow",
        started_at=now,
        entered_at=now,
        reason=cause,
        cause=cause,
        skip_shadow=skip_shadow,
        overridden=overridden,
        gate=Gate(requester),
    )
    overrides = f" Overridden: {'; '.join(overridden)}." if overridden else ""
    opening = "load" if skip_shadow else "shadow"
    begun = note(rollout, "phase", f"v{candidate} enters {opening} against v{champion}: {cause}.{overrides}", now)
    return approval.request(begun, now)


def advance(rollout: Rollout, verdict: Verdict, now: datetime) -> Rollout:
    """What the verdict makes of the rollout: FAIL goes back (also while paused), PASS goes on, NOT_YET holds.

    Before the gate nothing passes without approval; `max_phase` ends what is not proven, never what only waits for it.
    """
    rollout = heed(rollout, now)
    if not rollout.active:
        return rollout
    verdict = approval.gated(rollout, verdict)
    rollout = _record(rollout, verdict, now)
    if verdict.outcome == "FAIL":
        return go_back(rollout, "rolled_back", verdict.summary, now)
    if rollout.paused:
        return rollout
    if rollout.ready_at is None and approval.lacks_nothing_else(verdict):
        return replace(rollout, ready_at=now)
    if rollout.ready_at is not None and approval.waits(rollout) is not None:
        return rollout
    if verdict.outcome == "PASS":
        return _enter_next(rollout, verdict.summary, now)
    limit = rollout.declared.max_phase
    if now - rollout.entered_at > limit:
        reason = f"not proven in time ({_span(limit)}): {verdict.summary}"
        return go_back(rollout, "rolled_back", reason, now)
    return rollout


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
    rollout = replace(rollout, in_force_at=now)
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
    rollout = replace(rollout, paused=False, entered_at=now)
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


def undo(rollout: Rollout, by: str, why: str, now: datetime) -> Rollout:
    """Return to the old champion after the promotion, while it is still warm."""
    if rollout.phase != "done":
        raise Conflict(f"Nothing to undo: the rollout of v{rollout.candidate} is in {rollout.where()}; abort ends one")
    if rollout.retired:
        raise Conflict(
            f"v{rollout.champion} left memory after the rollback window ({_span(rollout.declared.rollback_window)}): "
            f"start a rollout of v{rollout.champion} instead"
        )
    return go_back(rollout, "rolled_back", f"{by} undid it: {why}", now)


def retire(rollout: Rollout, now: datetime) -> Rollout:
    """Let the old champion leave memory once the rollback window is over."""
    if rollout.phase != "done" or rollout.retired or rollout.ended_at is None:
        return rollout
    if now < rollout.ended_at + rollout.declared.rollback_window:
        return rollout
    return replace(rollout, retired=True, revision=rollout.revision + 1, in_force_at=None)


def split_of(rollout: Rollout, pins: tuple[int, ...]) -> Split:
    """The split a record demands: whoever does not answer a request is scored on it, so losses stay paired."""
    candidate, champion, weight = rollout.candidate, rollout.champion, rollout.weight
    warm: tuple[int, ...] = ()
    if rollout.active:
        arms = [Arm("candidate", candidate, weight)] if weight > 0.0 else []
        arms += [Arm("champion", champion, 1.0 - weight)] if weight < 1.0 else []
        scored, warm = (candidate, champion, *pins), (champion,)
    elif rollout.phase == "done":
        arms, scored = [Arm("champion", candidate, 1.0)], pins
        warm = () if rollout.retired else (champion,)
    else:
        arms, scored = [Arm("champion", champion, 1.0)], pins
    sole = arms[0].version if len(arms) == 1 else None
    shadows = tuple(version for version in dict.fromkeys(scored) if version != sole)
    return Split(
        rollout.model, rollout.revision, rollout.salt, tuple(arms), shadows, warm, rollout.phase, rollout.reason
    )


def steady(model: str, champion: int, pins: tuple[int, ...], revision: int, reason: str) -> Split:
    """The split of a model without any rollout."""
    shadows = tuple(version for version in dict.fromkeys(pins) if version != champion)
    salt = f"{revision}:{champion}:{model}"
    return Split(model, revision, salt, (Arm("champion", champion, 1.0),), shadows, reason=reason)


def same_routing(one: Split, other: Split) -> bool:
    """Whether two splits treat every request alike, whatever they are called."""
    return replace(one, revision=0, phase="", reason="") == replace(other, revision=0, phase="", reason="")


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


def _enter(rollout: Rollout, phase: Phase, step: int, reason: str, now: datetime) -> Rollout:
    entered = replace(rollout, phase=phase, step=step, reason=reason, entered_at=now, in_force_at=now)
    if not same_routing(split_of(rollout, ()), split_of(entered, ())):
        entered = replace(entered, revision=rollout.revision + 1, in_force_at=None)
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


def _span(duration: timedelta) -> str:
    """Hours, minutes and seconds as a person writes them.

    >>> _span(timedelta(hours=1, seconds=5))
    '1 h 5 s'
    """
    seconds = round(duration.total_seconds())
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
