"""The loop from findings to a retraining job: load, measure, decide, save by compare-and-set, act, tell."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from windvane.cluster.bundle import Bundle
from windvane.cluster.errors import WindvaneError
from windvane.cluster.registry import Registry
from windvane.cluster.store import Shelf, Store
from windvane.configs.schema import ModelSpec
from windvane.monitoring.findings import Finding
from windvane.monitoring.loop.attempts import begin, overdue, ready, settle
from windvane.monitoring.loop.requests import RetrainRequest, change, open_request, requests_of
from windvane.monitoring.loop.requests import shelf as request_shelf
from windvane.monitoring.loop.retrain_decision import MonitorView, WatchState, decide, future_told
from windvane.monitoring.loop.training_jobs import TrainingJobs
from windvane.monitoring.loop.triggers import Circumstances
from windvane.monitoring.notices import tell

WATCH = "watch"  # store kind of the WatchState, key model
FUTURE_SECONDS = 300.0  # that event times may lie ahead of the wall clock before they are told of and not followed
FINDING = "finding"  # store kind of every breach, key <model>/<window>/<version>/<name>


class MonitorPort(Protocol):
    """Sees what a model does; both calls may raise Unavailable."""

    def view(self, model: str, version: int, after: int | None, min_labels: int, clock: float | None) -> MonitorView:
        """That version's windows after `after` and newest complete labels; without `clock` the watermark is it."""

    def watch_profile(self, model: str, version: int, profile_json: bytes) -> None:
        """Give it the version's reference."""


class Watcher:
    """`tick` may be killed anywhere and is simply run again."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        jobs: TrainingJobs,
        monitor: MonitorPort,
        specs: Callable[[str], ModelSpec],
        cache: Path,
    ) -> None:
        self._store = store
        self._registry = registry
        self._jobs = jobs
        self._monitor = monitor
        self._specs = specs
        self._cache = cache
        self._states = Shelf(store, WATCH, WatchState)

    def tick(self, model: str, now: datetime) -> None:
        """Finish what was decided, look for findings, see the request's job through; `now` is the wall clock.

        What is not possible now is tried at the next tick; a step's error is raised once the others had their turn.
        """
        steps: tuple[Callable[[str, datetime], None], ...] = (self._finish, self._watch, self._see_through)
        trouble: list[WindvaneError] = []
        for step in steps:
            try:
                step(model, now)
            except WindvaneError as error:
                trouble.append(error)
        if trouble:
            raise trouble[0]

    def state(self, model: str) -> WatchState:
        """Remembered state of the model."""
        return self._states.load(model)[0] or WatchState()

    def _finish(self, model: str, _: datetime) -> None:
        state, revision = self._states.load(model)
        if state is not None and state.owes():
            self._act(model, state, revision, recovered=True)

    def _act(self, model: str, state: WatchState, revision: int, recovered: bool) -> None:
        tell(self._store, model, state.untold, recovered)
        if state.wanted is not None:
            open_request(self._store, model, state.wanted)
        self._states.save(model, replace(state, untold=(), wanted=None), revision)

    def _see_through(self, model: str, now: datetime) -> None:
        for request in requests_of(self._store, model)[-2:]:  # the one before may still owe an event
            if not request.closed:
                self._attempt(request, now)
            self._tell(request)

    def _attempt(self, request: RetrainRequest, now: datetime) -> None:
        rules = self._specs(request.model).retrain
        if request.status == "open":
            if ready(request, now):
                self._submit(self._change(request, lambda current: begin(current, now)))
            return
        status = self._jobs.status(request)
        if overdue(request, rules, now):
            self._jobs.stop(request)
        version = self._registered(request)
        settled = self._change(request, lambda current: settle(current, status, version, rules, now))
        if settled.status == "submitted" and status.state == "unknown":
            self._submit(settled)  # killed before it was submitted, or the cluster has forgotten it

    def _submit(self, request: RetrainRequest) -> None:
        if request.status == "submitted":
            self._jobs.submit(request, self._specs(request.model))

    def _change(self, request: RetrainRequest, how: Callable[[RetrainRequest], RetrainRequest]) -> RetrainRequest:
        return change(self._store, request.model, request.request_id, how)

    def _registered(self, request: RetrainRequest) -> int | None:
        versions = self._registry.versions(request.model)
        return next((v.number for v in reversed(versions) if v.request_id == request.request_id), None)

    def _tell(self, before: RetrainRequest) -> None:
        request, _ = request_shelf(self._store).load(before.key)
        if request is None or not request.untold:
            return
        tell(self._store, request.model, request.untold, recovered=bool(before.untold))
        told = {notice.key for notice in request.untold}
        self._change(
            request,
            lambda current: replace(current, untold=tuple(n for n in current.untold if n.key not in told)),
        )

    def _watch(self, model: str, now: datetime) -> None:
        spec = self._specs(model)
        champion = self._registry.champion(model)
        if champion is None:
            return
        before, revision = self._states.load(model)
        state = before or WatchState()
        if state.trigger.version != champion:
            state = state.for_new_champion(self._began(model, champion))
        if state.owes():
            return  # finishing it was not possible just now
        wall = None if spec.data.time is not None else now.timestamp()
        view = self._monitor.view(model, champion, state.after(), spec.retrain.min_labels, wall)
        if view.reference is None:
            folder = self._registry.fetch(model, champion, self._cache)
            self._monitor.watch_profile(model, champion, Bundle.open(folder).profile_path.read_bytes())
            return
        clock = view.watermark if wall is None else wall
        if clock is None:
            return
        clock = min(clock, now.timestamp() + FUTURE_SECONDS)  # times that are yet to come close no window
        after, found = decide(spec, champion, state, view, self._circumstances(model, clock, now))
        if view.furthest is not None and view.furthest - now.timestamp() > FUTURE_SECONDS:
            after = future_told(after, champion, view.furthest, now)
        self._keep(found)
        if after != before:
            revision = self._states.save(model, after, revision)
            if after.owes():
                self._act(model, after, revision, recovered=False)

    def _began(self, model: str, champion: int) -> datetime | None:
        """Start of the change for which findings had that version made."""
        made = (each for each in requests_of(self._store, model) if each.version == champion)
        return next((each.since for each in made if each.cause == "findings"), None)

    def _circumstances(self, model: str, clock: float, now: datetime) -> Circumstances:
        known = requests_of(self._store, model)
        asked = [request.event_time.timestamp() for request in known if request.event_time is not None]
        versions = self._registry.versions(model)
        newest = versions[-1]
        lost = {version.request_id for version in versions if version.standing in ("rejected", "rolled_back")}
        return Circumstances(
            clock=clock,
            wall=now,
            last_requested=max(asked, default=None),
            open_request=next((request.request_id for request in known if not request.closed), None),
            proving=newest.number if newest.standing == "candidate" else None,
            worthless=tuple(
                request.started_at[-1]
                for request in known
                if request.started_at and (request.request_id in lost or request.status == "failed")
            ),
        )

    def _keep(self, found: Sequence[Finding]) -> None:
        for breach in found:
            key = f"{breach.model}/{breach.window:08d}/{breach.version}/{breach.name}"
            if self._store.get(FINDING, key) is None:
                self._store.put(FINDING, key, msgspec.json.encode(breach), 0)
