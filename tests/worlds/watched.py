"""A watcher over a made-up monitor, cluster and store."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.worlds.fakes import FakeJobs, Fuse
from windvane.backtest.memory import MemoryRegistry, MemoryStore
from windvane.cluster.errors import Unavailable
from windvane.cluster.registry import Registration
from windvane.configs.schema import Action, DecisionRule, Feature, ModelSpec, Monitor, Retrain, Source, Target
from windvane.monitoring.counts.labelled_windows import LabelledSpan
from windvane.monitoring.findings import FeatureMeasure, WindowMeasures
from windvane.monitoring.loop.requests import record_version
from windvane.monitoring.loop.retrain_decision import MonitorView
from windvane.monitoring.loop.training_jobs import TrainingJobs
from windvane.monitoring.loop.watcher import Watcher
from windvane.monitoring.statistics.performance import Performance

DAY = 86400.0
NOW = datetime(2026, 11, 22, tzinfo=UTC)
SPEC = ModelSpec(
    name="delay",
    owner="ops",
    unit="flight",
    target=Target(name="late"),
    features=(Feature(name="temp", type="number"),),
    data=Source(source="flights.csv", time="at"),
    decision=DecisionRule(actions=(Action(name="hold", at_least=0.0),)),
    monitor=Monitor(min_sample=200, auc_drop=0.03, brier_rise=0.02),
    retrain=Retrain(persistence=2, min_labels=500, retry_after=timedelta(seconds=30), max_attempts=2),
)
REFERENCE = Performance(n=20_000, positives=4000, auc=0.70, brier=0.150, brier_variance=0.03, log_loss=0.45)
LOST = replace(REFERENCE, n=5000, positives=1000, auc=0.60)


def window(number: int, psi: float | None = 0.6, performance: Performance | None = None) -> WindowMeasures:
    return WindowMeasures(
        model="delay",
        version=1,
        window=number,
        start=number * DAY,
        end=(number + 1) * DAY,
        rows=900,
        counted_at=NOW.timestamp() - 60,
        features=(FeatureMeasure("temp", psi, 0.0, None),) if psi is not None else (),
        score_psi=0.1,
        decided=900,
        performance=performance,
        reference=REFERENCE,
        label_wait=DAY,
    )


class FakeMonitor:
    """Shows what the test says; refuses while it is gone."""

    def __init__(self, *windows: WindowMeasures, labelled: Performance | None = LOST) -> None:
        self.windows = list(windows)
        self.labelled = labelled
        self.knows = True
        self.gone = False
        self.furthest: float | None = None
        self.profiles: list[tuple[str, int, bytes]] = []

    def view(self, model: str, version: int, after: int | None, min_labels: int, clock: float | None) -> MonitorView:
        if self.gone:
            raise Unavailable("monitor:delay does not answer")
        newest = self.windows[-1].end if self.windows else None
        measures = tuple(replace(w, version=version) for w in self.windows if after is None or w.window > after)
        enough = self.labelled if self.labelled is not None and self.labelled.n >= min_labels else None
        span = None if enough is None else LabelledSpan(version, 0.0, newest or 0.0, enough)
        reference = REFERENCE if self.knows else None
        return MonitorView(newest, reference, measures, span, furthest=self.furthest or newest)

    def watch_profile(self, model: str, version: int, profile_json: bytes) -> None:
        self.profiles.append((model, version, profile_json))
        self.knows = True


@dataclass
class World:
    store: MemoryStore
    registry: MemoryRegistry
    jobs: FakeJobs
    monitor: FakeMonitor

    def watcher(self, fuse: Fuse | None = None, spec: ModelSpec = SPEC) -> Watcher:
        fuse = fuse or Fuse()
        return Watcher(
            fuse.wrap(self.store, "put", "append"),
            self.registry,
            TrainingJobs(fuse.wrap(self.jobs, "submit", "stop"), {"WINDVANE_HOME": "var"}, "python"),
            self.monitor,
            lambda _: spec,
            Path("cache"),
        )

    def events(self) -> list[tuple[str, str]]:
        return [(event.kind, event.detail) for event in self.store.events("delay")]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events()]

    def register(self, request_id: str | None = None) -> int:
        registration = Registration("delay", "ops", "why", "champion", None, request_id, {}, {}, {})
        number = self.registry.register(registration, Path()).number
        if number == 1:
            self.registry.set_champion("delay", 1)
        return number

    def finish_job(self, request_id: str = "0001") -> None:
        """Acts as the training job: register, say so, end."""
        number = self.register(request_id)
        record_version(self.store, "delay", request_id, number)
        self.jobs.end(self.jobs.submissions[-1], "succeeded")


def world(*windows: WindowMeasures, labelled: Performance | None = LOST) -> World:
    made = World(MemoryStore(), MemoryRegistry(), FakeJobs(), FakeMonitor(*windows, labelled=labelled))
    made.register()
    return made


def tick(it: World, seconds: float = 0.0, spec: ModelSpec = SPEC) -> None:
    it.watcher(spec=spec).tick("delay", NOW + timedelta(seconds=seconds))
