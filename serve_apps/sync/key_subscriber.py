"""Keeps a replica on the newest keys."""

import asyncio
from collections.abc import Callable

from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_ring import KeyRing, KeySnapshot, decode_snapshot


class KeySubscriber:
    """A subscriber of the topics: gives the authenticator every ring there is news of."""

    def __init__(self, stored: Callable[[], KeySnapshot], authenticator: Authenticator) -> None:
        """`stored` blocks."""
        self._stored = stored
        self._authenticator = authenticator

    async def reload(self) -> None:
        """Go by what the store has now, older or newer: it is what holds."""
        self._put(await asyncio.to_thread(self._stored))

    async def take(self, posts: tuple[str, ...]) -> None:
        """Go by the newest; raises Invalid."""
        snapshot = decode_snapshot(posts[-1])
        if snapshot.revision > self._authenticator.ring.revision:
            self._put(snapshot)

    def _put(self, snapshot: KeySnapshot) -> None:
        if snapshot.revision != self._authenticator.ring.revision:
            self._authenticator.take(KeyRing(snapshot))
