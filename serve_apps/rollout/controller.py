"""`RolloutController.tick(model, now)`: load, measure, judge (pure), make the world match, save by compare-and-set."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from windvane.cluster.declarations import load_spec
from windvane.cluster.errors import Conflict, NotFound
from windvane.cluster.policies.approval import LOOP
from windvane.cluster.registry import Registry
from windvane.cluster.store import Store
from windvane.configs.sized_plan import Traffic
from windvane.serve_apps.rollout import approval
from windvane.serve_apps.rollout.candidates import Candidates, Picked, again, may_yield, yields
from windvane.serve_apps.rollout.effects import Effects, StoredRollout
from windvane.serve_apps.rollout.elapsed import LONGEST_GAP, stand
from windvane.serve_apps.rollout.guardrails.judge import GuardrailJudge, Judge, remember
from windvane.serve_apps.rollout.guardrails.latency import follow
from windvane.serve_apps.rollout.observation import Sight
from windvane.serve_apps.rollout.ports import EvidencePort, SwitchboardPort
from windvane.serve_apps.rollout.rollout_record import RETURNED, Rollout
from windvane.serve_apps.rollout.starting import StartOrder, demand_free, started
from windvane.serve_apps.rollout.state_machine import (
    advance,
    come_into_force,
    go_back,
    heed,
    pause,
    promote,
    resume,
    retire,
    set_back,
)
from windvane.serve_apps.rollout.undo import make_way, undo, undo_before
from windvane.serve_apps.rollout.verdict import Guardrail

VERDICT_KEPT = timedelta(seconds=5)  # how old the verdict's figures in the store may get
ATTEMPTS = 3  # of an operator's verb that meets a tick


class RolloutController:
    """Proves candidates and takes them back; keeps nothing that may not be lost, so it may die anywhere."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        switchboard: SwitchboardPort,
        evidence: EvidencePort,
        judge: Judge | None = None,
        longest_gap: timedelta = LONGEST_GAP,
    ) -> None:
        """`longest_gap` between two ticks counts in full as time that a phase lasted; more is a clock that jumped."""
        self._store = store
        self._registry = registry
        self._sight = Sight(switchboard, evidence)
        self._judge: Judge = judge or GuardrailJudge()
        self._longest_gap = longest_gap
        self._effects = Effects(store, registry, switchboard)
        self._candidates = Candidates(store, registry)

    def tick(self, model: str, now: datetime) -> Rollout | None:
        """One look at one model; raises Conflict or Unavailable when it has to be looked at again."""
        held = self._effects.catch_up(model, now)
        if held is not None:
            held = self._prove(held, now) if held.rollout.active else self._look_after(held, now)
            if held.rollout.active:
                return self._make_room(held, now).rollout
            if held.rollout.in_force_at is None:
                return held.rollout  # the next one begins when the end of this one is in force and measured
        else:
            self._effects.keep_steady(model, now)
        picked = self._next(model, held)
        if picked is not None:
            return self.start(StartOrder(model, picked.version, picked.reason, LOOP, picked.requester), now)
        return None if held is None else held.rollout

    def status(self, model: str) -> Rollout | None:
        """The newest rollout of the model, running or over."""
        held = self._effects.held(model)
        return None if held is None else held.rollout

    def start(self, order: StartOrder, now: datetime) -> Rollout:
        """Begin to prove a version; Conflict while another rollout runs, Invalid when the gate says no."""
        model = order.model
        ours: Rollout | None = None
        for attempt in range(1, ATTEMPTS + 1):  # a tick may write in between, and may have taken ours up already
            try:
                before = self._effects.catch_up(model, now)
                if before is not None and _is_same(before.rollout, ours):
                    return before.rollout
                if before is None:
                    self._effects.keep_steady(model, now)
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
                continue
            ours = self._started(order, before, now)
            try:
                return self._effects.swap(before, ours).rollout
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _started(self, order: StartOrder, before: StoredRollout | None, now: datetime) -> Rollout:
        last = None if before is None else before.rollout
        split = demand_free(order.model, last, self._effects.split(order.model))
        version = self._registry.version(order.model, order.version)
        return started(order, load_spec(self._store, order.model), version, last, split, now)

    def pause(self, model: str, now: datetime, by: str = "operator") -> Rollout:
        """Hold the split where it is; a failing guardrail still takes the candidate back."""
        return self._change(model, now, lambda rollout: pause(rollout, by, now))

    def resume(self, model: str, now: datetime, by: str = "operator") -> Rollout:
        """Go on after a pause; the time a phase may take counts anew."""
        return self._change(model, now, lambda rollout: resume(rollout, by, now))

    def promote(self, model: str, now: datetime, reason: str, by: str = "operator") -> Rollout:
        """Give the candidate everything now and bake it; recorded as overridden."""
        return self._change(model, now, lambda rollout: promote(rollout, by, reason, now))

    def approve(
        self, model: str, version: int, now: datetime, reason: str, by: str, plan: str | None = None
    ) -> Rollout:
        """Open the gate before the first step to that version; Forbidden for who asked for it."""
        return self._change(model, now, lambda rollout: approval.approve(rollout, version, plan, by, reason, now))

    def reject(self, model: str, version: int, now: datetime, reason: str, by: str, plan: str | None = None) -> Rollout:
        """Close it and end the rollout: the word is on record first, so that the next tick heeds a killed call."""
        self._change(model, now, lambda rollout: approval.reject(rollout, version, plan, by, reason, now))
        return self._change(model, now, lambda rollout: heed(rollout, now))

    def abort(self, model: str, now: datetime, reason: str, by: str = "operator") -> Rollout:
        """End a running rollout: the champion answers everything again."""

        def aborted(rollout: Rollout) -> Rollout:
            if rollout.phase == "aborted":
                return rollout
            if not rollout.active:
                raise Conflict(
                    f"Nothing to abort: v{rollout.candidate} is {rollout.where()}; undo takes back what is done"
                )
            return go_back(rollout, "aborted", f"{by} aborted it: {reason}", now)

        return self._change(model, now, aborted)

    def undo(self, model: str, now: datetime, reason: str, by: str = "operator") -> Rollout:
        """Take the last promotion back within its rollback window: the old champion is still warm.

        A candidate that is in the shadow meanwhile is ended first. Conflict says what else brings which version back.
        """

        def undone(rollout: Rollout) -> Rollout:
            before = rollout.predecessor
            if before is not None and before.in_time(now) and not rollout.active:
                return undo_before(self._effects.past(model, before.rollout), rollout, by, reason, now)
            try:
                return undo(rollout, by, reason, now)
            except Conflict as error:
                raise Conflict(f"{error}{self._way_back(rollout)}") from error

        self._change(model, now, lambda rollout: make_way(rollout, by, reason, now))
        return self._change(model, now, undone)

    def _way_back(self, rollout: Rollout) -> str:
        """Way back to the champion before the current one, where a later rollout stands in the way of `undo`."""
        promoted = self._effects.promoted(rollout.model, rollout.champion)
        if rollout.phase == "done" or rollout.undone or promoted is None:
            return ""
        return (
            f". v{promoted.candidate} took over from v{promoted.champion} before that; to go back further: "
            f"`windvane rollout start {rollout.model} --version {promoted.champion}`"
        )

    def pin(self, model: str, versions: tuple[int, ...]) -> None:
        """Score those versions as shadows in every split from the next tick on; NotFound when one does not exist."""
        for version in versions:
            self._registry.version(model, version)
        self._effects.pin(model, tuple(dict.fromkeys(versions)))

    def _change(self, model: str, now: datetime, decide: Callable[[Rollout], Rollout]) -> Rollout:
        """An operator's decision, made anew when a tick wrote in between."""
        ours: Rollout | None = None
        for attempt in range(1, ATTEMPTS + 1):
            held = self._effects.catch_up(model, now)
            if held is None:
                raise NotFound(f"{model} has no rollout; `windvane rollout start {model} --version N` begins one")
            if _is_same(held.rollout, ours):
                return held.rollout  # a tick completed what this call began
            decided = decide(held.rollout)
            act = self._effects.apply if decided.id == held.rollout.id else self._effects.swap
            try:
                return act(held, decided).rollout
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
                # Once the split is back, a tick completes the record. What keeps it running may be on record or not:
                # it is decided again, which changes nothing where it is.
                ours = decided if decided.phase in RETURNED else None
        raise AssertionError("unreachable")

    def _prove(self, held: StoredRollout, now: datetime) -> StoredRollout:
        """Measure, judge, decide, act."""
        rollout, obstacles = set_back(held.rollout, now), []
        waiting = self._sight.waiting(rollout, self._effects.pinned(rollout.model))
        if waiting is None:
            rollout = come_into_force(rollout, now)
        elif rollout.in_force_at is None:
            obstacles.append(Guardrail("loading", "NOT_YET", waiting))
        rollout = stand(rollout, now, self._longest_gap)
        evidence, silence = self._sight.evidence(rollout)
        if evidence is None:
            obstacles.append(Guardrail("evidence", "NOT_YET", silence))
        else:
            rollout = follow(remember(rollout, evidence), evidence, now)
        verdict = self._judge.judge(rollout, evidence, tuple(obstacles), now)
        decided = advance(rollout, verdict, now)
        return held if _hardly_differs(held.rollout, decided) else self._effects.apply(held, decided)

    def _look_after(self, held: StoredRollout, now: datetime) -> StoredRollout:
        """Measure how long the way back took; let the old champion go when the rollback window is over."""
        rollout = retire(held.rollout, now, self._longest_gap)
        since = self._sight.in_force_since(rollout, now) if rollout.in_force_at is None else None
        if since is not None:
            rollout = come_into_force(rollout, since)
        return held if rollout == held.rollout else self._effects.apply(held, rollout)

    def _make_room(self, held: StoredRollout, now: datetime) -> StoredRollout:
        """End what is not proven when a fresher candidate waits, which the next ticks then begin to prove."""
        rollout = held.rollout
        if not may_yield(rollout):
            return held
        fresher = self._candidates.newest(rollout.model, above=rollout.candidate)
        if fresher is None or not yields(rollout, fresher, now):
            return held
        reason = f"v{fresher.version} is fresher and v{rollout.candidate} is not proven yet"
        return self._effects.apply(held, go_back(rollout, "superseded", reason, now))

    def _next(self, model: str, held: StoredRollout | None) -> Picked | None:
        """The newest version that a retraining made and no rollout has tried, else what was not proven once more."""
        split = self._effects.split(model)
        if split is None:
            return None
        tried = max(split.arms[0].version, 0 if held is None else held.rollout.candidate)
        fresher = self._candidates.newest(model, above=tried)
        if fresher is not None or held is None:
            return fresher
        return again(held.rollout, lambda: self._sight.evidence(held.rollout)[0])


def _hardly_differs(stored: Rollout, decided: Rollout) -> bool:
    """Only fresher figures of the same verdict, and the stored ones are not old yet."""
    if stored.verdict is None or decided.verdict is None:
        return stored == decided
    fresh = decided.verdict.at - stored.verdict.at < VERDICT_KEPT
    return fresh and _without_figures(stored) == _without_figures(decided)


def _without_figures(rollout: Rollout) -> Rollout:
    counted = replace(rollout, looked_at=None, waited_seconds=0.0, stood_seconds=0.0)
    return replace(counted, verdict=None, traffic=Traffic(), outcomes=0, reference=None)


def _is_same(found: Rollout, ours: Rollout | None) -> bool:
    """Whether that is the record that this call tried to save, completed by somebody else since."""
    if ours is None or (found.id, found.started_at) != (ours.id, ours.started_at):
        return False
    return ours.phase == "shadow" or (ours.phase in RETURNED and found.phase == ours.phase)
