"""The Switchboard as a Ray actor, and a replica's lines to it."""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import ray
from ray.exceptions import RayError, RayTaskError

from windvane.cluster.callers.key_ring import KeySnapshot, encode_snapshot
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Conflict, Unavailable, WindvaneError
from windvane.cluster.faults.log_redaction import redact_logs
from windvane.cluster.runtime.preloading import lean
from windvane.serve_apps.rollout.ports import Displaced
from windvane.serve_apps.sync import switchboard
from windvane.serve_apps.sync.split_subscriber import encode_split
from windvane.serve_apps.sync.switchboard import ReplicaReport
from windvane.serve_apps.sync.topics import KEYS, News, Position
from windvane.serve_apps.traffic.loaded_versions import LoadedReport
from windvane.serve_apps.traffic.router import Split

NAME = "switchboard"  # in the namespace of its Windvane (`Settings.ray_namespace`)
MOST_WAITING = 10_000  # replicas that may hold a long poll at once
LONGEST_CALL_SECONDS = 30.0  # of a replica: a poll that nobody answers for so long is lost
KEYS_PATIENCE_SECONDS = 2.0  # with replicas that were told of keys, to come back and say so


class Switchboard(switchboard.Switchboard):
    """The actor; the dashboard shows this class's name."""

    def __init__(self) -> None:
        redact_logs()
        super().__init__()


@cache
def actor_class() -> Any:
    """Ray's wrapper of the class: made once, for Ray keeps every one that it ever made."""
    return ray.remote(Switchboard)


def ensure_switchboard(namespace: str) -> Any:
    """The handle of the namespace's one Switchboard, started when there is none; it outlives whoever starts it."""
    return (
        actor_class()
        .options(
            name=NAME,
            namespace=namespace,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            max_concurrency=MOST_WAITING,
            num_cpus=0,
            runtime_env=lean(),
        )
        .remote()
    )


class RaySwitchboard:
    """Publishing, for whoever steers; blocking, raises Unavailable when the actor does not answer."""

    def __init__(self, namespace: str, timeout_seconds: float = 10.0) -> None:
        self._namespace = namespace
        self._timeout_seconds = timeout_seconds

    def publish(self, split: Split) -> None:
        """Make it known, which changes nothing when it is; raises Displaced when replicas go by another one."""
        try:
            stands: int = self._call("publish", encode_split(split))
        except Conflict as error:
            raise Displaced(str(error), split.revision) from error
        if stands > split.revision:
            raise Displaced(f"Replicas of {split.model} go by split {stands}", stands)

    def publish_keys(self, snapshot: KeySnapshot) -> bool:
        """Make them known, older ones change nothing; whether every replica goes by the newest, as soon as all do."""
        return self.post(KEYS, encode_snapshot(snapshot), KEYS_PATIENCE_SECONDS, snapshot.revision)

    def in_force(self, model: str) -> dict[str, ReplicaReport]:
        """The report of every replica."""
        reports: dict[str, ReplicaReport] = self._call("in_force", model)
        return reports

    def post(self, topic: str, body: str, patience_seconds: float, revision: int | None = None) -> bool:
        """Tell every replica; whether all of them have the newest in force, within the patience."""
        try:
            known: bool = self._call("post", topic, body, patience_seconds, revision)
        except Conflict as error:
            raise Conflict(f"{error}: was the store restored from a backup? The next change ends that") from error
        return known

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            handle = ensure_switchboard(self._namespace)
            return ray.get(getattr(handle, method).remote(*arguments), timeout=self._timeout_seconds)
        except (RayError, ValueError) as error:
            if isinstance(error, RayTaskError) and isinstance(error.cause, WindvaneError):
                raise error.cause from error  # it answers, and says no
            raise Unavailable(f"The Switchboard does not answer ({type(error).__name__})") from error


class _Line:
    """A replica's line to the actor, which is looked up again after it was lost."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._handle: Any = None

    async def call(self, method: str, *arguments: object) -> Any:
        """Its answer; raises Unavailable."""
        try:
            if self._handle is None:  # the look-up blocks
                self._handle = await asyncio.to_thread(ray.get_actor, NAME, self._namespace)
            async with asyncio.timeout(LONGEST_CALL_SECONDS):
                return await getattr(self._handle, method).remote(*arguments)
        except (RayError, ValueError, TimeoutError) as error:
            self._handle = None
            raise Unavailable(f"the Switchboard does not answer ({type(error).__name__})") from error


class RayTopicLine:
    """One reader's line to the topics; with `report` it says where its replica stands."""

    def __init__(
        self, model: str, replica: str, namespace: str, report: Callable[[], LoadedReport] | None = None
    ) -> None:
        self._model = model
        self._reader = replica if report is not None else f"{replica}/policies"
        self._report = report
        self._line = _Line(namespace)

    async def read(self, topics: tuple[str, ...], place: Position) -> News:
        """See `TopicLine`."""
        said = None if self._report is None else _json(self._report())
        text = await self._line.call("read", self._model, self._reader, topics, _json(place), said)
        return json_decoder(News).decode(text)

    async def report(self) -> None:
        """See `TopicLine`."""
        assert self._report is not None
        await self._line.call("report", self._model, self._reader, _json(self._report()))

    async def leave(self) -> None:
        """See `TopicLine`."""
        await self._line.call("leave", self._model, self._reader)


def _json(said: object) -> str:
    return msgspec.json.encode(said).decode()
