"""Replays a history through the whole loop, ticked by event time: live monitors, triggers, rollout, router, judge."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from windvane.backtest.history import History
from windvane.backtest.memory import InstantSwitchboard, MemoryRegistry, MemoryStore
from windvane.backtest.predictions import Predictions, Scores, assigned, pairs
from windvane.backtest.run import ReplayedVersion, Run, Trained, Trainer
from windvane.cluster.errors import NotFound, WindvaneError
from windvane.cluster.jobs import JobRequest, JobStatus
from windvane.cluster.registry import Registration
from windvane.cluster.store import DECLARATION
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.arm_key import ArmKey
from windvane.monitoring.counts.counts import Tally
from windvane.monitoring.counts.observation import Observation
from windvane.monitoring.counts.profile import Profile
from windvane.monitoring.evidence import Evidence
from windvane.monitoring.loop.requests import record_version, requests_of
from windvane.monitoring.loop.retrain_decision import MonitorView, view
from windvane.monitoring.loop.training_jobs import TrainingJobs
from windvane.monitoring.loop.watcher import Watcher
from windvane.serve_apps.rollout.controller import RolloutController
from windvane.training.order import Order, read_order

BLOCKS = 4  # steps a window is replayed in while something is being proven; a quiet window is one step
LATENCY_MS = 2.0  # of every replayed decision: a history says nothing of it
_SETTLED = 4.0  # seconds after a step at which the watcher looks: it waits 3 for counts to settle


class Replay:
    """One model, one history, one loop; the live code decides, this moves time and rows."""

    def __init__(self, spec: ModelSpec, history: History, trainer: Trainer, start: float) -> None:
        self._spec, self._history, self._trainer = spec, history, trainer
        self._now = start
        self._window = spec.monitor.window.total_seconds()
        self._store = MemoryStore(self._clock)
        self._registry = MemoryRegistry(self._clock)
        self._board = InstantSwitchboard(self._clock)
        self._seen = Observation(spec)
        self._trained: dict[int, Trained] = {}
        self._versions: dict[int, ReplayedVersion] = {}
        self._predicted: dict[int, Predictions] = {}
        self._profiles: dict[int, Profile] = {}
        self._tally = Tally(spec.name, self._profiles, self._window)
        self._jobs: dict[str, JobStatus] = {}
        self._store.put(DECLARATION, spec.name, spec.model_dump_json().encode(), 0)
        self._watcher = Watcher(self._store, self._registry, TrainingJobs(self), self, lambda _: spec, Path())
        # Event time goes on in steps of hours, and jumps nowhere.
        self._controller = RolloutController(self._store, self._registry, self._board, self, longest_gap=timedelta.max)

    def run(self, say: Callable[[float], None] = lambda _: None) -> Run:
        """Train the first version on what is known at the start, then replay everything after it."""
        history, model = self._history, self._spec.name
        self._make(Order(model, reason="first", accept=True), self._now)  # somebody has to answer
        self._controller.tick(model, self._moment())
        first = row = int(np.searchsorted(history.times, self._now))
        answered = np.full(len(history), np.nan)
        by = np.zeros(len(history), np.int32)
        by_known = np.argsort(history.known, kind="stable")
        known = history.known[by_known]
        told = int(np.searchsorted(known, self._now, side="right"))
        while row < len(history):
            self._now = self._next_step(row)
            stop = int(np.searchsorted(history.times, self._now, side="left"))
            if stop > row:
                self._answer(row, stop, answered, by)
            row = stop
            until = int(np.searchsorted(known, self._now, side="right"))
            fresh = by_known[told:until]
            self._outcomes(fresh[fresh >= first], answered)
            told = until
            self._seen.ship("replay", self._tally.drain(), self._now)
            self._tick()
            say(self._now)
        return Run(
            first,
            answered,
            by,
            self._store.events(model, limit=10**9),
            requests_of(self._store, model),
            tuple(self._stood(version) for version in self._versions.values()),
            {number: trained.score for number, trained in self._trained.items()},
        )

    # --- time

    def _clock(self) -> float:
        return self._now

    def _moment(self, later: float = 0.0) -> datetime:
        return datetime.fromtimestamp(self._now + later, UTC)

    def _next_step(self, row: int) -> float:
        """The end of the next step: a quarter of a window while something happens, else the window's end."""
        step = self._window / BLOCKS if self._busy() else self._window
        end = (np.floor(self._now / step + 1e-9) + 1.0) * step
        upcoming = self._history.times[row]
        return float(end if upcoming < end else (np.floor(upcoming / step) + 1.0) * step)

    def _busy(self) -> bool:
        rollout = self._controller.status(self._spec.name)
        return rollout is not None and rollout.active

    def _tick(self) -> None:
        model = self._spec.name
        for second in range(3):
            self._watcher.tick(model, self._moment(_SETTLED + second))
            asked = requests_of(self._store, model)
            if not asked or asked[-1].closed:
                break  # a further tick would change nothing
        for second in range(2):  # one to decide, one to see it in force
            self._controller.tick(model, self._moment(_SETTLED + 3 + second))

    # --- rows

    def _answer(self, row: int, stop: int, answered: Scores, by: NDArray[np.int32]) -> None:
        split = self._board.split
        assert split is not None
        history, window = self._history, self._window
        at = history.times[row:stop]
        scores = {
            version: self._predictions(version).score(row, stop)
            for version in {arm.version for arm in split.arms if arm.weight > 0} | set(split.shadows)
        }
        who = assigned(split, row, stop)
        windows = np.floor(at / window).astype(np.int64)
        self._seen.add_moments(at.tolist(), ())
        for version, scored in scores.items():
            mine = who == version
            if mine.any():
                name = next(arm.name for arm in split.arms if arm.version == version)
                n = int(mine.sum())
                self._tally.add(
                    ArmKey(split.revision, version, name),
                    history.rows[row:stop][mine],
                    scored[mine],
                    at[mine].tolist(),
                    ["replayed"] * n,
                    [LATENCY_MS] * n,
                )
                answered[row:stop][mine] = scored[mine]
                by[row:stop][mine] = version
            if not mine.all():
                self._tally.shadow(version, split.revision, scored[~mine])
            for number, count in zip(*np.unique(windows, return_counts=True), strict=True):
                self._seen.add_scored(version, int(number), int(count))
        for low, high in pairs(scores):
            unlabelled = np.full(stop - row, -1.0)
            self._seen.add_pairs(low, high, np.column_stack([at, scores[low], scores[high], unlabelled]))

    def _outcomes(self, rows: NDArray[np.int64], answered: Scores) -> None:
        if not len(rows):
            return
        history = self._history
        windows = np.floor(history.times[rows] / self._window).astype(np.int64)
        told = (history.times[rows].tolist(), history.known[rows].tolist(), history.labels[rows].tolist())
        self._seen.add_moments((), list(zip(*told, strict=True)))
        for number in np.unique(windows).tolist():
            of = rows[windows == number]
            labels = history.labels[of]
            self._seen.add_answered(number, answered[of], labels)
            scores = {version: p.seen(of) for version, p in self._predicted.items()}
            for version, scored in scores.items():
                there = ~np.isnan(scored)
                if there.any():
                    self._seen.add_labelled(version, number, scored[there], labels[there])
            for low, high in pairs(scores):
                both = ~np.isnan(scores[low]) & ~np.isnan(scores[high])
                if both.any():
                    columns = [history.times[of], scores[low], scores[high], labels.astype(np.float64)]
                    self._seen.add_pairs(low, high, np.column_stack(columns)[both])

    def _predictions(self, version: int) -> Predictions:
        found = self._predicted.get(version)
        if found is None:
            found = self._predicted[version] = Predictions(self._history.rows, self._trained[version].score)
        return found

    # --- what the watcher and the controller ask (ports Jobs, MonitorPort, EvidencePort)

    def submit(self, request: JobRequest) -> str:
        """Train at once; the job is over when this returns."""
        if request.job_id not in self._jobs:
            order = read_order(request.entrypoint[request.entrypoint.index("--model") :])
            until = self._now if order.until is None else order.until.timestamp()
            try:
                self._make(order, until)
                self._jobs[request.job_id] = JobStatus(request.job_id, "succeeded")
            except WindvaneError as error:
                self._jobs[request.job_id] = JobStatus(request.job_id, "failed", f"FAILED: {error}")
        return request.job_id

    def status(self, job_id: str) -> JobStatus:
        """The job's end; `unknown` for one that was never submitted."""
        return self._jobs.get(job_id, JobStatus(job_id, "unknown"))

    def stop(self, job_id: str) -> None:
        """Do nothing: no job runs between two calls."""

    def logs(self, job_id: str) -> str:
        """The job's last message."""
        return self.status(job_id).message

    def view(self, model: str, version: int, after: int | None, min_labels: int, clock: float | None) -> MonitorView:
        """See `windvane.monitoring.monitor.Monitor.view`."""
        return view(self._observed(model), version, after, min_labels, clock)

    def watch_profile(self, model: str, version: int, profile_json: bytes) -> None:
        """Do nothing: profiles are given when a version is made."""

    def evidence(self, model: str, revision: int, champion: int, candidate: int, since: float) -> Evidence:
        """See `windvane.monitoring.monitor.Monitor.evidence`."""
        return self._observed(model).evidence(revision, champion, candidate, since)

    def _observed(self, model: str) -> Observation:
        if model != self._spec.name:
            raise NotFound(f"This replay is of {self._spec.name}, not of {model}")
        return self._seen

    def _make(self, order: Order, until: float) -> None:
        champion = self._registry.champion(self._spec.name)
        number = len(self._registry.versions(self._spec.name)) + 1
        trained = self._trainer.train(order, number, champion, until, self._now)
        registration = Registration(
            self._spec.name,
            self._spec.owner,
            order.reason,
            trained.standing,
            champion,
            order.request_id,
            {},
            trained.metrics,
            {},
        )
        version = self._registry.register(registration, Path())
        assert version.number == number
        self._trained[number] = trained
        self._profiles[number] = trained.profile
        self._seen.watch(number, trained.profile)
        self._versions[number] = ReplayedVersion(
            number, self._now, self._cause(order), trained.standing, trained.why, trained.rows
        )
        if trained.standing == "champion":
            self._registry.set_champion(self._spec.name, number)
        if order.request_id is not None:
            record_version(self._store, self._spec.name, order.request_id, number)

    def _cause(self, order: Order) -> str:
        if order.request_id is None:
            return "first"
        return next(
            request.cause
            for request in requests_of(self._store, self._spec.name)
            if request.request_id == order.request_id
        )

    def _stood(self, version: ReplayedVersion) -> ReplayedVersion:
        standing = self._registry.version(self._spec.name, version.number).standing
        return ReplayedVersion(version.number, version.made_at, version.cause, standing, version.why, version.rows)
