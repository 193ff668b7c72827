"""Administers deployed models: takes them into service and out of it, and shows how the loop stands with them."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import ValidationError

from windvane.cluster.declarations import Declarations, spec_digest
from windvane.cluster.errors import Conflict, Invalid, Problem, Unavailable
from windvane.cluster.registry import Registry
from windvane.cluster.runtime.serve_apps_api import CONTROL
from windvane.cluster.runtime.waiting import Wait
from windvane.cluster.store import DECLARATION, Event, Shelf, Store
from windvane.configs.complaint import faults
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.snapshot import Snapshot
from windvane.monitoring.loop.requests import Wanted, open_request, requests_of
from windvane.monitoring.metrics import ModelState, exposition
from windvane.serve_apps.admin import status
from windvane.serve_apps.admin.openapi import examples
from windvane.serve_apps.admin.replies import Deployed, ModelStatus, Overview, RetrainStatus, Undeployed
from windvane.serve_apps.protocol.strict_json import pointer_to
from windvane.serve_apps.rollout.controller import RolloutController
from windvane.serve_apps.traffic.router import SPLIT, Split

NEWEST_EVENTS = 60  # of which findings of one kind are one line in a terminal


class Monitors(Protocol):
    """Tells the rates and latencies that the monitors know; may raise Unavailable."""

    def snapshot(self, model: str) -> Snapshot:
        """Totals, rates and latencies."""


class ModelAdmin:
    """One per control replica; every verb may be called twice."""

    def __init__(
        self,
        store: Store,
        declarations: Declarations,
        registry: Registry,
        rollouts: RolloutController,
        monitors: Monitors,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        waits: Callable[[], Sequence[Wait]] = tuple,
    ) -> None:
        self._store = store
        self._declarations = declarations
        self._registry = registry
        self._rollouts = rollouts
        self._monitors = monitors
        self._clock, self._waits = clock, waits
        self._splits = Shelf(store, SPLIT, Split)
        self._lock = threading.Lock()
        self._newest: dict[str, tuple[Event, ...]] = {}

    def status(self, may_see: Callable[[str], bool] = lambda _: True) -> Overview:
        """Everything `windvane status` and the console show of the models that may be seen."""
        seen = [self._status_of(spec) for spec in self._declarations.all() if may_see(spec.name)]
        return {"at": self._clock().isoformat(), "models": seen, "waits": status.wait_statuses(self._waits(), may_see)}

    def deploy(self, model: str, declaration: Mapping[str, Any], by: str) -> Deployed:
        """Store the declaration that serves from now on; Conflict when the model has no champion to serve."""
        spec = _validated(model, declaration)
        champion = self._registry.champion(model)
        if champion is None:
            raise Conflict(f"{model} has no registered version yet: `windvane train {model}` makes the first")
        body = spec.model_dump_json().encode()
        saved = self._store.get(DECLARATION, model)
        if saved is None or saved.body != body:
            self._store.put(DECLARATION, model, body, saved.revision if saved else 0)
            # The first time, the controller tells of the split that begins to serve.
            if saved or self._splits.load(model)[0]:
                told = f"{by} declared {model} anew" if saved else f"{by} took {model} into service again"
                if saved and ModelSpec.model_validate_json(saved.body).rollout.approval != spec.rollout.approval:
                    told += f"; approval of its rollouts: {spec.rollout.approval}"
                self._store.append(Event(self._clock(), "deployed", model, champion, told))
        example = examples.one(spec)
        return {"model": model, "champion": champion, "spec_digest": spec_digest(body), "example": example}

    def undeploy(self, model: str, reason: str, by: str) -> Undeployed:
        """Take the model out of service and keep all that is on record of it; Conflict while a rollout runs."""
        saved = self._store.get(DECLARATION, model)
        if saved is None and not self._store.events(model, 0, 1):
            self._declarations.spec(model)
        if saved is not None:
            rollout = self._rollouts.status(model)
            if rollout is not None and rollout.active:
                raise Conflict(
                    f"v{rollout.candidate} of {model} is in {rollout.where()}: "
                    f"end that first, with `windvane rollout abort {model}`"
                )
            self._store.remove(DECLARATION, model, saved.revision)
            champion, told = self._registry.champion(model), f"{by} took {model} out of service: {reason}"
            self._store.append(Event(self._clock(), "undeployed", model, champion, told))
        return {"model": model}

    def retrain(self, model: str, reason: str, by: str) -> RetrainStatus:
        """Open a retrain request, or return the open one."""
        self._declarations.spec(model)
        wanted = Wanted("manual", f"{by} asked: {reason}", (), self._clock(), self._event_time(model), by=by)
        request, _ = open_request(self._store, model, wanted)
        return status.request_status(request)

    def metrics(self, may_see: Callable[[str], bool] = lambda _: True) -> bytes:
        """Prometheus text of everything control knows of the models that may be seen."""
        return exposition([self.state(spec.name) for spec in self._declarations.all() if may_see(spec.name)])

    def _status_of(self, spec: ModelSpec) -> ModelStatus:
        return status.model_status(
            spec,
            self._registry.champion(spec.name),
            self._splits.load(spec.name)[0],
            self._rollouts.status(spec.name),
            requests_of(self._store, spec.name),
            self._newest_events(spec.name),
            self._snapshot(spec.name),
        )

    def state(self, model: str) -> ModelState:
        """The state that one model's metrics are made from."""
        split, rollout = self._splits.load(model)[0], self._rollouts.status(model)
        arms = split.arms if split else ()
        return ModelState(
            model,
            self._snapshot(model),
            self._registry.champion(model),
            {(arm.version, arm.name): arm.weight for arm in arms},
            rollout.phase if rollout else None,
            requests=Counter(request.status for request in requests_of(self._store, model)),
        )

    def _event_time(self, model: str) -> datetime | None:
        """The model's own clock, which cool-downs and the rows to learn from go by."""
        seen = self._snapshot(model)
        if seen is None or seen.watermark is None or self._declarations.spec(model).data.time is None:
            return None
        return datetime.fromtimestamp(seen.watermark, UTC)

    def _snapshot(self, model: str) -> Snapshot | None:
        """The monitor's snapshot, or None while it does not answer: then there is no figure, not a zero."""
        try:
            return self._monitors.snapshot(model)
        except Unavailable:
            return None

    def _newest_events(self, model: str) -> tuple[Event, ...]:
        """The last few; the store pages forward only, so where the last look ended is remembered."""
        with self._lock:
            newest = self._newest.get(model, ())
            while fresh := self._store.events(model, newest[-1].number if newest else 0):
                newest = (*newest, *fresh)[-NEWEST_EVENTS:]
            self._newest[model] = newest
            return newest


def _validated(model: str, declaration: Mapping[str, Any]) -> ModelSpec:
    try:
        spec = ModelSpec.model_validate(dict(declaration))
    except ValidationError as error:
        problems = tuple(Problem(pointer_to(each.path), each.what) for each in faults(error, ModelSpec, declaration))
        raise Invalid(f"The declaration of {model} is not valid", problems) from error
    if spec.name != model:
        problem = Problem("/name", f"is {spec.name!r}, and the path names {model!r}")
        raise Invalid(f"The declaration is not that of {model}", (problem,))
    if model == CONTROL:
        problem = Problem("/name", "is what Windvane calls its own application; choose another name")
        raise Invalid(f"No model can be called {model}", (problem,))
    return spec
