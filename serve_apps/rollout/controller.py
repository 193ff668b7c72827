"""`RolloutController.tick(model, now)`: load, measure, judge (pure), make the world match, save by compare-and-set."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cluster.errors import Conflict, Invalid, NotFound, Unavailable
from cluster.gate import LOOP
from cluster.registry import Registry
from cluster.store import DECLARATION, Store
from configs.schema import ModelSpec
from monitoring.evidence import Evidence
from monitoring.requests import requests_of
from serve_apps.rollout import approval
from serve_apps.rollout.effects import Effects, Held
from serve_apps.rollout.judge import GuardrailJudge, Judge, remember
from serve_apps.rollout.machine import (
    advance,
    begin,
    come_into_force,
    go_back,
    heed,
    pause,
    promote,
    resume,
    retire,
    split_of,
    undo,
)
from serve_apps.rollout.plan import Rollout
from serve_apps.rollout.ports import EvidencePort, ReplicaReport, SwitchboardPort, loading
from serve_apps.rollout.verdict import Guardrail

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
    ) -> None:
        self._store = store
        self._registry = registry
        self._switchboard = switchboard
        self._evidence = evidence
        self._judge: Judge = judge or GuardrailJudge()
        self._effects = Effects(store, registry, switchboard)
        self._unfit: set[tuple[str, int]] = set()

    def tick(self, model: str, now: datetime) -> Rollout | None:
        """One look at one model; raises Conflict or Unavailable when it has to be looked at again."""
        held = self._effects.catch_up(model, now)
        if held is not None:
            held = self._prove(held, now) if held.rollout.active else self._look_after(held, now)
            if held.rollout.active or held.rollout.in_force_at is None:
                return held.rollout  # the next one begins when the end of this one is in force and measured
        else:
            self._effects.keep_steady(model, now)
        picked = self._next_candidate(model, held)
        if picked is not None:
            number, reason, requester = picked
            return self.start(model, number, now, reason, LOOP, requester=requester)
        return None if held is None else held.rollout

    def status(self, model: str) -> Rollout | None:
        """The newest rollout of the model, running or over."""
        held = self._effects.held(model)
        return None if held is None else held.rollout

    def start(
        self,
        model: str,
        version: int,
        now: datetime,
        reason: str,
        by: str = "operator",
        skip_shadow: bool = False,
        override_gate: bool = False,
        requester: str | None = None,
    ) -> Rollout:
        """Begin to prove a version; Conflict while another rollout runs, Invalid when the gate says no.

        `requester` is who may not approve it: without one, who starts it.
        """
        before = self._effects.catch_up(model, now)
        if before is None:
            self._effects.keep_steady(model, now)
        elif before.rollout.active:
            raise Conflict(
                f"v{before.rollout.candidate} of {model} is in {before.rollout.where()}: abort it or wait for its end"
            )
        split = self._effects.split(model)
        if split is None:
            raise Conflict(f"{model} has no champion yet: `windvane train {model}`, then `windvane deploy {model}`")
        champion = split.arms[0].version
        if version == champion:
            raise Invalid(f"v{version} of {model} is the champion already")
        overridden = self._override(model, version, reason, by, skip_shadow, override_gate)
        spec = self._spec(model)
        rollout = begin(
            model,
            version,
            champion,
            spec.rollout,
            spec.slo,
            split.revision + 1,
            f"{by} started it: {reason}",
            now,
            skip_shadow,
            overridden,
            requester or by,
        )
        return self._effects.begin(rollout, before).rollout

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
        """Take back a finished rollout within its rollback window: the old champion is still warm."""

        def undone(rollout: Rollout) -> Rollout:
            return rollout if rollout.phase == "rolled_back" else undo(rollout, by, reason, now)

        return self._change(model, now, undone)

    def pin(self, model: str, versions: tuple[int, ...]) -> None:
        """Score those versions as shadows in every split from the next tick on; NotFound when one does not exist."""
        for version in versions:
            self._registry.version(model, version)
        self._effects.pin(model, tuple(dict.fromkeys(versions)))

    def _change(self, model: str, now: datetime, decide: Callable[[Rollout], Rollout]) -> Rollout:
        """An operator's decision, made anew when a tick wrote in between."""
        for attempt in range(1, ATTEMPTS + 1):
            held = self._effects.catch_up(model, now)
            if held is None:
                raise NotFound(f"{model} has no rollout; `windvane rollout start {model} --version N` begins one")
            decided = decide(held.rollout)
            try:
                return self._effects.apply(held, decided).rollout
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _prove(self, held: Held, now: datetime) -> Held:
        """Measure, judge, decide, act."""
        rollout, obstacles = held.rollout, []
        waiting = self._waiting(rollout)
        if waiting is None:
            rollout = come_into_force(rollout, now)
        elif rollout.in_force_at is None:
            obstacles.append(Guardrail("loading", "NOT_YET", waiting))
        evidence, silence = self._seen(rollout)
        if evidence is None:
            obstacles.append(Guardrail("evidence", "NOT_YET", silence))
        else:
            rollout = remember(rollout, evidence)
        verdict = self._judge.judge(rollout, evidence, tuple(obstacles), now)
        decided = advance(rollout, verdict, now)
        return held if _hardly_differs(held.rollout, decided) else self._effects.apply(held, decided)

    def _look_after(self, held: Held, now: datetime) -> Held:
        """Measure how long the way back took; let the old champion go when the rollback window is over."""
        rollout = retire(held.rollout, now)
        since = self._in_force_since(rollout, now) if rollout.in_force_at is None else None
        if since is not None:
            rollout = come_into_force(rollout, since)
        return held if rollout == held.rollout else self._effects.apply(held, rollout)

    def _waiting(self, rollout: Rollout) -> str | None:
        return loading(split_of(rollout, self._effects.pinned(rollout.model)), self._reports(rollout.model))

    def _in_force_since(self, rollout: Rollout, now: datetime) -> datetime | None:
        """When the last replica said that it has the final split in force; replicas say so at once."""
        reports = self._reports(rollout.model).values()
        if not reports or any(report.in_force < rollout.revision for report in reports):
            return None
        said = datetime.fromtimestamp(max(report.seen_at for report in reports), UTC)
        return max(rollout.entered_at, min(said, now))

    def _reports(self, model: str) -> Mapping[str, ReplicaReport]:
        try:
            return self._switchboard.in_force(model)
        except Unavailable:
            return {}  # nobody vouches for the replicas: the phase waits

    def _seen(self, rollout: Rollout) -> tuple[Evidence | None, str]:
        since = rollout.started_at.timestamp()
        try:
            return self._evidence.evidence(
                rollout.model, rollout.revision, rollout.champion, rollout.candidate, since
            ), ""
        except Unavailable as error:
            return None, f"the monitor does not answer ({error})"

    def _next_candidate(self, model: str, held: Held | None) -> tuple[int, str, str] | None:
        """The newest version that a retraining made and no rollout has tried, why, and who asked for the retraining.

        Older ones are superseded.
        """
        split = self._effects.split(model)
        if split is None:
            return None
        tried = max(split.arms[0].version, 0 if held is None else held.rollout.candidate)
        for request in reversed(requests_of(self._store, model)):
            number = request.version
            if request.status != "succeeded" or number is None or number <= tried or (model, number) in self._unfit:
                continue
            version = self._registry.version(model, number)
            if version.standing == "candidate":
                return number, version.reason, request.requested_by
            self._unfit.add((model, number))  # the registry is slow: ask once
        return None

    def _override(
        self, model: str, version: int, reason: str, by: str, skip_shadow: bool, override_gate: bool
    ) -> tuple[str, ...]:
        standing = self._registry.version(model, version).standing
        overridden = [f"{by} skipped the shadow phase: {reason}"] if skip_shadow else []
        if standing in ("rejected", "rolled_back"):
            if not override_gate:
                raise Invalid(f"v{version} of {model} is {standing}: override the gate with a reason to try it anyway")
            overridden.append(f"{by} started it although it is {standing}: {reason}")
        if overridden and not reason.strip():
            raise Invalid("An override needs a reason: it stays on the record")
        return tuple(overridden)

    def _spec(self, model: str) -> ModelSpec:
        saved = self._store.get(DECLARATION, model)
        if saved is None:
            raise NotFound(f"{model} is not declared here: `windvane deploy {model}` stores its declaration")
        return ModelSpec.model_validate_json(saved.body)


def _hardly_differs(stored: Rollout, decided: Rollout) -> bool:
    """Only fresher figures of the same verdict, and the stored ones are not old yet."""
    if stored.verdict is None or decided.verdict is None:
        return stored == decided
    fresh = decided.verdict.at - stored.verdict.at < VERDICT_KEPT
    same = replace(stored, verdict=None, reference_p99_ms=None) == replace(decided, verdict=None, reference_p99_ms=None)
    return fresh and same
