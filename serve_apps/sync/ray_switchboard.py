"""The Switchboard as a Ray actor, and a replica's line to it."""

import asyncio
from functools import cache
from typing import Any

import msgspec
import ray
from ray.exceptions import RayError, RayTaskError

from windvane.cluster.callers.key_ring import KeySnapshot, decode_snapshot, encode_snapshot
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Conflict, Unavailable, WindvaneError
from windvane.cluster.faults.log_redaction import redact_logs
from windvane.cluster.runtime.preloading import lean
from windvane.cluster.sql_store import SqlStore
from windvane.serve_apps.rollout.ports import Displaced
from windvane.serve_apps.sync import switchboard
from windvane.serve_apps.sync.switchboard import ReplicaReport, decode_split, encode_split
from windvane.serve_apps.sync.topics import News, Place, Topics
from windvane.serve_apps.traffic.loaded_versions import Report
from windvane.serve_apps.traffic.router import Split

NAME, NAMESPACE = "switchboard", "windvane"
MOST_WAITING = 10_000  # replicas that may hold a long poll at once
LONGEST_CALL_SECONDS = 30.0  # of a replica: a poll that nobody answers for so long is lost


class Switchboard(switchboard.Switchboard):
    """The actor: finds its store by URL, so that Ray can restart it; the dashboard shows this class's name."""

    def __init__(self, store_url: str) -> None:
        redact_logs()
        super().__init__(SqlStore(store_url))
        self._topics = Topics()

    async def post(self, topic: str, body: str, patience_seconds: float) -> bool:
        """Tell every replica; whether all of them are known to have it in force, as soon as they are."""
        return await self._topics.known(topic, self._topics.post(topic, body), patience_seconds)

    async def read(self, reader: str, topics: tuple[str, ...], place_json: str) -> str | None:
        """See `Topics.read`; places and news travel as JSON."""
        news = await self._topics.read(reader, topics, json_decoder(Place).decode(place_json))
        return None if news is None else msgspec.json.encode(news).decode()

    async def stop_reading(self, reader: str) -> None:
        """A replica stops."""
        self._topics.leave(reader)


@cache
def actor_class() -> Any:
    """Ray's wrapper of the class: made once, for Ray keeps every one that it ever made."""
    return ray.remote(Switchboard)


def ensure_switchboard(store_url: str) -> Any:
    """The handle of the one Switchboard, started when there is none; it outlives whoever starts it."""
    return (
        actor_class()
        .options(
            name=NAME,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            max_concurrency=MOST_WAITING,
            num_cpus=0,
            runtime_env=lean(),
        )
        .remote(store_url)
    )


class RaySwitchboard:
    """Publishing, for whoever steers; blocking, raises Unavailable when the actor does not answer."""

    def __init__(self, store_url: str, timeout_seconds: float = 10.0) -> None:
        self._store_url = store_url
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
        known: bool = self._call("publish_keys", encode_snapshot(snapshot))
        return known

    def in_force(self, model: str) -> dict[str, ReplicaReport]:
        """The report of every replica."""
        reports: dict[str, ReplicaReport] = self._call("in_force", model)
        return reports

    def post(self, topic: str, body: str, patience_seconds: float) -> bool:
        """Tell every replica; whether all of them have it in force, within the patience."""
        known: bool = self._call("post", topic, body, patience_seconds)
        return known

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            handle = ensure_switchboard(self._store_url)
            return ray.get(getattr(handle, method).remote(*arguments), timeout=self._timeout_seconds)
        except (RayError, ValueError) as error:
            if isinstance(error, RayTaskError) and isinstance(error.cause, WindvaneError):
                raise error.cause from error  # it answers, and says no
            raise Unavailable(f"The Switchboard does not answer ({type(error).__name__})") from error


class _Line:
    """A replica's line to the actor, which is looked up again after it was lost."""

    def __init__(self) -> None:
        self._handle: Any = None

    async def call(self, method: str, *arguments: object) -> Any:
        """Its answer; raises Unavailable."""
        try:
            if self._handle is None:  # the look-up blocks
                self._handle = await asyncio.to_thread(ray.get_actor, NAME, NAMESPACE)
            async with asyncio.timeout(LONGEST_CALL_SECONDS):
                return await getattr(self._handle, method).remote(*arguments)
        except (RayError, ValueError, TimeoutError) as error:
            self._handle = None
            raise Unavailable(f"the Switchboard does not answer ({type(error).__name__})") from error


class RayFeed:
    """One replica's line to the splits."""

    def __init__(self, model: str, replica: str) -> None:
        self._model = model
        self._replica = replica
        self._line = _Line()

    async def wait(self, known_revision: int, report: Report) -> Split | None:
        """See `Feed`."""
        said = (self._replica, report.revision, report.loaded, report.trouble)
        text = await self._line.call("wait", self._model, known_revision, *said)
        return None if text is None else decode_split(text)

    async def keys(self, known_revision: int) -> tuple[KeySnapshot | None, int]:
        """See `KeyFeed`."""
        text, replicas = await self._line.call("keys", self._model, known_revision, self._replica)
        return None if text is None else decode_snapshot(text), int(replicas)

    async def report(self, report: Report) -> None:
        """See `Feed`."""
        said = (self._replica, report.revision, report.loaded, report.trouble)
        await self._line.call("report", self._model, *said)

    async def leave(self) -> None:
        """See `Feed`."""
        await self._line.call("leave", self._model, self._replica)


class RayTopics:
    """One replica's line to the topics."""

    def __init__(self, replica: str) -> None:
        self._replica = replica
        self._line = _Line()

    async def read(self, topics: tuple[str, ...], place: Place) -> News | None:
        """See `TopicLine`."""
        text = await self._line.call("read", self._replica, topics, msgspec.json.encode(place).decode())
        return None if text is None else json_decoder(News).decode(text)

    async def leave(self) -> None:
        """See `TopicLine`."""
        await self._line.call("stop_reading", self._replica)
