"""Monitors as Ray actors: one per model, named `monitor:<model>`, restarted for ever, using no CPU slot.

Their namespace is their Windvane's (`Settings.ray_namespace`): another one on the same cluster has monitors of its own.
"""

import gc
import time
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError
from ray.util import list_named_actors

from windvane.cluster.decision_log.read.tail import BRIEF, Tail
from windvane.cluster.errors import Unavailable
from windvane.cluster.faults.log_redaction import brief, redact_logs
from windvane.cluster.runtime.preloading import lean
from windvane.cluster.runtime.processes import step_back
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.snapshot import Snapshot, WindowPerformance
from windvane.monitoring.evidence import Evidence
from windvane.monitoring.loop.retrain_decision import MonitorView
from windvane.monitoring.monitor import Monitor

REBUILD_SECONDS = 14 * 86400.0  # of the log that a restarted monitor reads again
COLLECTED_AFTER = (20_000, 20, 20)  # new objects, and rounds of that: what waits for its outcome forms no cycles
T = TypeVar("T")


class MonitorActor(Monitor):
    """A monitor that opens its own log; after a restart it joins the newest two weeks again."""

    def __init__(self, spec_json: str, log_root: str) -> None:
        redact_logs()
        step_back()
        tail = Tail(Path(log_root), time.time() - REBUILD_SECONDS, BRIEF)
        super().__init__(ModelSpec.model_validate_json(spec_json), tail)
        gc.freeze()  # what was imported stays; the collector need not walk it for every few thousand decisions
        gc.set_threshold(*COLLECTED_AFTER)


def actor_name(model: str) -> str:
    """Name that operators see in the Ray dashboard and replicas look up."""
    return f"monitor:{model}"


@cache
def actor_class() -> Any:
    """Ray's wrapper of the class: made once, for Ray keeps every one that it ever made."""
    return ray.remote(MonitorActor)


def start_monitor(spec: ModelSpec, log_root: Path, namespace: str) -> Any:
    """The model's monitor, started when there is none; it outlives whoever started it."""
    actor = actor_class().options(
        name=actor_name(spec.name),
        namespace=namespace,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        runtime_env=lean(),
        max_restarts=-1,
        max_concurrency=1000,
    )
    return actor.remote(spec.model_dump_json(), str(log_root))


def end_monitors(deployed: Collection[str], namespace: str) -> None:
    """End the monitors of all other models: nobody asks them any more, and they would follow their logs for ever."""
    kept = {actor_name(model) for model in deployed}
    for actor in list_named_actors(all_namespaces=True):
        if actor["namespace"] == namespace and actor["name"].startswith(actor_name("")) and actor["name"] not in kept:
            with suppress(ValueError):  # it ended in between
                ray.kill(ray.get_actor(actor["name"], namespace))


class RayMonitors:
    """Every model's monitor, as watcher, rollout and status ask it, from any thread; raises Unavailable when it does
    not answer.
    """

    def __init__(self, namespace: str, timeout_seconds: float = 10.0) -> None:
        self._namespace = namespace
        self._timeout_seconds = timeout_seconds
        self._handles: dict[str, Any] = {}

    def view(self, model: str, version: int, after: int | None, min_labels: int, clock: float | None) -> MonitorView:
        """See `windvane.monitoring.loop.watcher.MonitorPort`."""
        return self._ask(model, "view", MonitorView, version, after, min_labels, clock)

    def watch_profile(self, model: str, version: int, profile_json: bytes) -> None:
        """Give it the version's reference."""
        self._ask(model, "watch_profile", type(None), version, profile_json)

    def evidence(self, model: str, revision: int, champion: int, candidate: int, since: float) -> Evidence:
        """Evidence that the judge of a rollout reads."""
        return self._ask(model, "evidence", Evidence, revision, champion, candidate, since)

    def snapshot(self, model: str) -> Snapshot:
        """Totals, rates and latencies."""
        return self._ask(model, "snapshot", Snapshot)

    def performances(self, model: str) -> tuple[WindowPerformance, ...]:
        """Performance by window of everything answered and of each version."""
        return tuple(self._ask(model, "performances", tuple))

    def _ask(self, model: str, question: str, answer: type[T], *args: object) -> T:
        name = actor_name(model)
        try:
            handle = self._handles.get(model)
            if handle is None:
                handle = self._handles[model] = ray.get_actor(name, self._namespace)
            answered = ray.get(getattr(handle, question).remote(*args), timeout=self._timeout_seconds)
        except (RayActorError, GetTimeoutError, ValueError) as error:
            self._handles.pop(model, None)
            raise Unavailable(
                f"{name} does not answer {question} ({type(error).__name__}); it restarts itself"
            ) from error
        except RayTaskError as error:
            raise Unavailable(f"{name} could not answer {question}: {brief(error.cause)}") from error
        if not isinstance(answered, answer):
            raise Unavailable(
                f"{name} answers {question} with a {type(answered).__name__}; restart it after an upgrade"
            )
        return answered
