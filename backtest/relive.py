"""Replays the decision log of a live run through the watcher: the same records give the same findings."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from windvane.backtest.memory import MemoryRegistry, MemoryStore
from windvane.cluster.decision_log.record import BriefRecord, Record
from windvane.cluster.errors import NotFound
from windvane.cluster.jobs import JobRequest, JobStatus
from windvane.cluster.registry import Registration
from windvane.cluster.store import Event
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.observation import Observation
from windvane.monitoring.counts.profile import Profile
from windvane.monitoring.loop.retrain_decision import MonitorView, view
from windvane.monitoring.loop.training_jobs import TrainingJobs
from windvane.monitoring.loop.watcher import Watcher

TICK_SECONDS = 1.0  # as control ticks


class _NoJobs:
    """Takes jobs and runs none: what follows a retrain request is another version, which is not on the log."""

    def submit(self, request: JobRequest) -> str:
        return request.job_id

    def status(self, job_id: str) -> JobStatus:
        return JobStatus(job_id, "running")

    def stop(self, job_id: str) -> None:
        """Do nothing."""

    def logs(self, job_id: str) -> str:
        return f"{job_id} is not run in a replay"


class Relived:
    """A champion watched as it was, from the log alone: labels and scores, not the counts that replicas ship."""

    def __init__(self, spec: ModelSpec, version: int, profile: Profile) -> None:
        self._spec, self._now = spec, 0.0
        self._store = MemoryStore(lambda: self._now)
        registry = MemoryRegistry(lambda: self._now)
        registration = Registration(spec.name, spec.owner, "first", "champion", None, None, {}, {}, {})
        for _ in range(version):
            registry.register(registration, Path())
        registry.set_champion(spec.name, version)
        self._seen = Observation(spec)
        self._seen.watch(version, profile)
        self._watcher = Watcher(self._store, registry, TrainingJobs(_NoJobs()), self, lambda _: spec, Path())

    def run(self, records: Iterable[Record | BriefRecord]) -> tuple[Event, ...]:
        """Every event the watcher would have told, ticking once a second of the records' own time."""
        waiting: list[Record | BriefRecord] = []
        for record in records:
            if record.at >= self._now + TICK_SECONDS:
                self._tick(waiting, record.at)
                waiting = []
            waiting.append(record)
        self._tick(waiting, self._now + TICK_SECONDS)
        return self._store.events(self._spec.name, limit=10**9)

    def view(self, model: str, version: int, after: int | None, min_labels: int, clock: float | None) -> MonitorView:
        """See `windvane.monitoring.monitor.Monitor.view`."""
        if model != self._spec.name:
            raise NotFound(f"These records are of {self._spec.name}, not of {model}")
        return view(self._seen, version, after, min_labels, clock)

    def watch_profile(self, model: str, version: int, profile_json: bytes) -> None:
        """Do nothing: the profile was given."""

    def _tick(self, records: list[Record | BriefRecord], moment: float) -> None:
        self._seen.read(records)
        self._now = moment
        self._watcher.tick(self._spec.name, datetime.fromtimestamp(moment, UTC))
