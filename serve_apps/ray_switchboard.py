"""The Switchboard as a Ray actor, and a replica's line to it."""

import asyncio
from functools import cache
from typing import Any

import ray
from ray.exceptions import RayError

from cluster.callers.key_ring import KeySnapshot, decode_snapshot, encode_snapshot
from cluster.errors import Unavailable
from cluster.sql_store import SqlStore
from serve_apps import switchboard
from serve_apps.roster import Report
from serve_apps.router import Split
from serve_apps.switchboard import ReplicaReport, decode_split, encode_split

NAME, NAMESPACE = "switchboard", "windvane"
MOST_WAITING = 10_000  # replicas that may hold a long poll at once


class Switchboard(switchboard.Switchboard):
    """The actor: finds its store by URL, so that Ray can restart it; the dashboard shows this class's name."""

    def __init__(self, store_url: str) -> None:
        super().__init__(SqlStore(store_url))


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
        )
        .remote(store_url)
    )


class RaySwitchboard:
    """Publishing, for whoever steers; blocking, raises Unavailable when the actor does not answer."""

    def __init__(self, store_url: str, timeout_seconds: float = 10.0) -> None:
        self._store_url = store_url
        self._timeout_seconds = timeout_seconds

    def publish(self, split: Split) -> None:
        """Make it known; a revision that is known already, or older, changes nothing."""
        self._call("publish", encode_split(split))

    def publish_keys(self, snapshot: KeySnapshot) -> None:
        """Make them known; a revision that is known already, or older, changes nothing."""
        self._call("publish_keys", encode_snapshot(snapshot))

    def in_force(self, model: str) -> dict[str, ReplicaReport]:
        """Where every replica stands."""
        reports: dict[str, ReplicaReport] = self._call("in_force", model)
        return reports

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            handle = ensure_switchboard(self._store_url)
            return ray.get(getattr(handle, method).remote(*arguments), timeout=self._timeout_seconds)
        except (RayError, ValueError) as error:
            raise Unavailable(f"The Switchboard does not answer: {error}") from error


class RayFeed:
    """One replica's line; the actor is looked up again after it was lost."""

    def __init__(self, model: str, replica: str) -> None:
        self._model = model
        self._replica = replica
        self._handle: Any = None

    async def wait(self, known_revision: int, report: Report) -> Split | None:
        """See `Feed`."""
        text = await self._call("wait", known_revision, self._replica, report.revision, report.loaded, report.trouble)
        return None if text is None else decode_split(text)

    async def keys(self, known_revision: int) -> tuple[KeySnapshot | None, int]:
        """See `KeyFeed`."""
        text, replicas = await self._call("keys", known_revision)
        return None if text is None else decode_snapshot(text), int(replicas)

    async def report(self, report: Report) -> None:
        """See `Feed`."""
        await self._call("report", self._replica, report.revision, report.loaded, report.trouble)

    async def leave(self) -> None:
        """See `Feed`."""
        await self._call("leave", self._replica)

    async def _call(self, method: str, *arguments: object) -> Any:
        try:
            if self._handle is None:  # the look-up blocks
                self._handle = await asyncio.to_thread(ray.get_actor, NAME, NAMESPACE)
            return await getattr(self._handle, method).remote(self._model, *arguments)
        except (RayError, ValueError) as error:
            self._handle = None
            raise Unavailable(f"the Switchboard does not answer ({type(error).__name__})") from error
