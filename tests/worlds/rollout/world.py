"""A made-up world around the rollout controller: replicas, evidence, a clock, and a killer of ticks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from windvane.backtest.memory import MemoryRegistry, MemoryStore
from windvane.cluster.errors import Unavailable
from windvane.cluster.policies.approval import LOOP
from windvane.cluster.registry import Registration, Standing, Version
from windvane.configs.schema import ModelSpec
from windvane.monitoring.evidence import ArmEvidence, Evidence, PairedEvidence, ShiftEvidence
from windvane.monitoring.loop.requests import Wanted, open_request, record_version, shelf
from windvane.serve_apps.rollout.controller import RolloutController
from windvane.serve_apps.rollout.ports import Displaced
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.traffic.router import Split

MODEL = "flight-delay"
START = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = ModelSpec.model_validate(
    {
        "name": MODEL,
        "owner": "ops@example.org",
        "unit": "flight",
        "target": {"name": "late"},
        "features": [{"name": "distance", "type": "number"}],
        "data": {"source": "flights.csv"},
        "decision": {"actions": [{"name": "tell", "at_least": 0.0}]},
        "rollout": {
            "min_outcomes": 200,
            "shadow_min_duration": "60s",
            "steps": [
                {"weight": 0.1, "min_duration": "60s", "min_decisions": 50},
                {"weight": 0.5, "min_duration": "60s", "min_decisions": 50},
                {"weight": 1.0, "min_duration": "60s", "min_decisions": 50},
            ],
            "bake": "120s",
            "rollback_window": "600s",
            "max_phase": "900s",
        },
    }
)


class Killed(Exception):
    """The process died here."""


class Killer:
    """Counts effects and dies before the chosen one, once; that is also right after the one before."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.effects, self.sleeps = at, 0, False

    def guard(self, effect: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self.sleeps:
                return effect(*args, **kwargs)
            self.effects += 1
            if self.effects == self.at:
                raise Killed
            return effect(*args, **kwargs)

        return guarded


@dataclass(frozen=True, slots=True)
class Report:
    in_force: int
    loaded: frozenset[int]
    seen_at: float = 0.0
    trouble: str = ""


class FakeSwitchboard:
    """Replicas that take a split over when told to; refuses to let a version answer that was not loaded before."""

    def __init__(self, replicas: tuple[str, ...] = ("a", "b")) -> None:
        self.replicas: dict[str, Report] = {name: Report(0, frozenset()) for name in replicas}
        self.published: list[Split] = []
        self.slow: set[str] = set()  # replicas that are still loading
        self.away = False
        self.clock: Callable[[], float] = START.timestamp

    @property
    def newest(self) -> Split:
        return self.published[-1]

    def publish(self, split: Split) -> None:
        if self.away:
            raise Unavailable("the switchboard is restarting")
        if self.published and (split.revision, split) == (self.newest.revision, self.newest):
            return
        if self.published and split.revision <= self.newest.revision:
            raise Displaced("the replicas go by another split", self.newest.revision)
        self.published.append(split)
        self.spread()

    def spread(self) -> None:
        """Every replica that is not slow has the newest split in force and its versions loaded."""
        for name, report in self.replicas.items():
            if name not in self.slow and self.published:
                first = report.in_force == 0
                cold = {arm.version for arm in self.newest.arms} - report.loaded
                assert first or not cold, f"v{cold} answers on {name} without having been loaded"
                self.replicas[name] = Report(self.newest.revision, self.newest.versions(), self.clock())

    def in_force(self, model: str) -> Mapping[str, Report]:
        if self.away:
            raise Unavailable("the switchboard is restarting")
        return self.replicas


class FakeEvidence:
    """Answers what a test wants the world to look like."""

    def __init__(self) -> None:
        self.difference: float | None = -0.01  # Brier, candidate minus champion
        self.paired_n, self.decisions, self.errors, self.champion_errors = 5000, 1000, 0, 0
        self.p99_ms, self.champion_p99_ms, self.psi = 5.0, 5.0, 0.05
        self.slow, self.champion_slow = 0, 0
        self.away = False
        self.asked: list[tuple[int, float]] = []

    def evidence(self, model: str, revision: int, champion: int, candidate: int, since: float) -> Evidence:
        if self.away:
            raise Unavailable("the monitor is restarting")
        self.asked.append((revision, since))
        return Evidence(
            revision,
            (
                ArmEvidence(candidate, self.decisions, self.errors, self.p99_ms, self.slow),
                ArmEvidence(champion, self.decisions, self.champion_errors, self.champion_p99_ms, self.champion_slow),
            ),
            None
            if self.difference is None
            else PairedEvidence(
                champion, candidate, self.paired_n, self.difference, 0.003, 0.15, 0.15 + self.difference
            ),
            ShiftEvidence(self.paired_n, self.psi),
        )


class World:
    """Everything around one controller; `tick` moves the clock and the replicas by itself."""

    def __init__(
        self, killer: Killer | None = None, plan: Mapping[str, Any] | None = None, champion: int | None = 1
    ) -> None:
        self.store, self.registry = MemoryStore(), MemoryRegistry()
        self.switchboard, self.evidence = FakeSwitchboard(), FakeEvidence()
        self.now = START
        self.switchboard.clock = lambda: self.now.timestamp()
        spec = SPEC
        if plan:
            spec = SPEC.model_validate(
                {**SPEC.model_dump(mode="json"), "rollout": {**SPEC.rollout.model_dump(), **plan}}
            )
        self.store.put("model", MODEL, spec.model_dump_json().encode(), 0)
        self.register("champion")
        if champion is not None:
            self.registry.set_champion(MODEL, champion)
        self.killer = killer or Killer()
        for port, effects in (
            (self.store, ("put", "append")),
            (self.registry, ("set_champion", "set_standing")),
            (self.switchboard, ("publish",)),
        ):
            for effect in effects:
                setattr(port, effect, self.killer.guard(getattr(port, effect)))

    @property
    def controller(self) -> RolloutController:
        """A new one at each use: it may not remember anything."""
        return RolloutController(self.store, self.registry, self.switchboard, self.evidence)

    def register(self, standing: Standing, request_id: str | None = None) -> int:
        registration = Registration(MODEL, "ops", "because", standing, None, request_id, {}, {}, {})
        return self.registry.register(registration, Path()).number

    def retrained(self, standing: Standing = "candidate", by: str = LOOP) -> int:
        """A version that a finished retraining made; not a part of what is killed."""
        self.killer.sleeps = True
        request, _ = open_request(self.store, MODEL, Wanted("findings", "drift", (), self.now, by=by))
        number = self.register(standing, request.request_id)
        record_version(self.store, MODEL, request.request_id, number)
        known, revision = shelf(self.store).load(request.key)
        assert known is not None
        shelf(self.store).save(request.key, replace(known, status="succeeded"), revision)
        self.killer.sleeps = False
        return number

    def tick(self, seconds: float = 1.0) -> Rollout | None:
        self.now += timedelta(seconds=seconds)
        return self.controller.tick(MODEL, self.now)

    def until(self, phase: str, step: int = 0, ticks: int = 60) -> Rollout:
        """Tick until that phase is in force."""
        for _ in range(ticks):
            rollout = self.tick(30)
            if rollout and rollout.phase == phase and rollout.step == step and rollout.in_force_at:
                return rollout
        raise AssertionError(f"never reached {phase} {step}: {self.controller.status(MODEL)}")

    def rollout(self) -> Rollout:
        rollout = self.controller.status(MODEL)
        assert rollout is not None
        return rollout

    def split(self) -> Split:
        saved = self.store.get("split", MODEL)
        assert saved is not None
        return msgspec.json.decode(saved.body, type=Split)

    def weight(self, version: int) -> float:
        return sum(arm.weight for arm in self.split().arms if arm.version == version)

    def told(self) -> list[str]:
        return [event.kind for event in self.store.events(MODEL)]


def version_of(metrics: Mapping[str, float], parent: int | None) -> Version:
    """A registered version with those figures."""
    return Version("m", 2, START, "ops", "why", "candidate", parent, "run-2", None, metrics)


def deployed(**changes: Any) -> World:
    """A deployed champion v1 and nothing else."""
    made = World(**changes)
    made.tick()
    return made
