"""Keeps a replica on the newest keys: told by the Switchboard in milliseconds, by the store while that is away."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_ring import KeyRing, KeySnapshot
from windvane.cluster.errors import Invalid, Unavailable, WindvaneError

PATIENCE_SECONDS = 0.8  # for the Switchboard, which says something every half second
PAUSE_SECONDS = 0.5  # between two looks into the store; with the time to look, a revoked key is gone within a second
logger = logging.getLogger(__name__)


class KeyFeed(Protocol):
    """The Switchboard as one replica sees it; raises Unavailable when it is gone."""

    async def keys(self, known_revision: int) -> tuple[KeySnapshot | None, int]:
        """A snapshot that is newer than the known one, or None after a while; and how many replicas the model has."""


class KeyFollower:
    """Gives the authenticator every ring there is news of; without any news the last one stays."""

    def __init__(
        self,
        feed: KeyFeed,
        read: Callable[[], KeySnapshot],
        authenticator: Authenticator,
        patience_seconds: float = PATIENCE_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """`read` looks into the store; it blocks and runs in a thread."""
        self._feed = feed
        self._read = read
        self._authenticator = authenticator
        self._patience_seconds = patience_seconds
        self._pause_seconds = pause_seconds
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take what the store has, which may raise, then follow until stopped."""
        self._take(await asyncio.to_thread(self._read))
        self._task = asyncio.ensure_future(self._follow())

    async def stop(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                away = await self._hear()
                if not away:
                    self._trouble = ""
                    continue
                await self._look(away)
            except Exception:
                logger.exception("Following the keys met an unforeseen error; it goes on")
            await asyncio.sleep(self._pause_seconds)

    async def _hear(self) -> str:
        """What is wrong with the Switchboard, empty when it spoke."""
        try:
            async with asyncio.timeout(self._patience_seconds):
                snapshot, replicas = await self._feed.keys(self._authenticator.ring.revision)
        except (Unavailable, Invalid, TimeoutError) as error:
            return str(error) or "the Switchboard is silent"
        self._authenticator.rates.replicas = max(1, replicas)
        if snapshot is not None:
            self._take(snapshot)
        return ""

    async def _look(self, away: str) -> None:
        """Go by the store meanwhile."""
        trouble = f"{away}; the store is asked instead"
        try:
            self._take(await asyncio.to_thread(self._read))
        except WindvaneError as error:
            trouble = f"{away}; {error}; the last keys stay"
        if trouble != self._trouble:  # said once, when it begins or changes
            self._trouble = trouble
            logger.warning("Keys: %s", trouble)

    def _take(self, snapshot: KeySnapshot) -> None:
        if snapshot.revision != self._authenticator.ring.revision:
            self._authenticator.take(KeyRing(snapshot))
