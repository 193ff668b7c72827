"""The Switchboard's part about keys: the newest snapshot of them, told to whoever waits as soon as there is a newer."""

import asyncio
import time
from collections.abc import Callable

from windvane.cluster.callers.key_ring import KeySnapshot, decode_snapshot, encode_snapshot

POLL_SECONDS = 0.5  # a wait returns after this, so that a replica notices soon that nobody is there to tell it
FORGET_SECONDS = 1.5  # after which a replica that was not heard of is taken for gone: it goes by the store
PATIENCE_SECONDS = 2.0  # with the replicas that were told, to come back and say so


class KeyBoard:
    """Snapshots travel as JSON, so that replicas of two releases understand each other."""

    def __init__(
        self,
        snapshot: KeySnapshot,
        now: Callable[[], float] = time.monotonic,
        poll_seconds: float = POLL_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`snapshot` is what the store has."""
        self._revision = snapshot.revision
        self._text = encode_snapshot(snapshot)
        self._now = now
        self._poll_seconds = poll_seconds
        self._patience_seconds = patience_seconds
        self._born_at = now()
        self._readers: dict[str, tuple[int, float]] = {}  # the revision in force there, and when it was heard of
        self._published = asyncio.Event()
        self._was_read = asyncio.Event()

    def publish(self, text: str) -> int:
        """Make a snapshot the newest and return the revision that is; an older one changes nothing. Raises Invalid."""
        revision = decode_snapshot(text).revision
        if revision > self._revision:
            self._revision, self._text = revision, text
            self._published.set()
            self._published = asyncio.Event()
        return self._revision

    async def wait(self, known_revision: int, replica: str) -> str | None:
        """The newest snapshot's JSON as soon as it is newer than the known one; None after a while without one.

        To call it is to say that the known one is in force in the replica.
        """
        self._readers[replica] = (known_revision, self._now())
        self._was_read.set()
        self._was_read = asyncio.Event()
        if self._revision <= known_revision:
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._published.wait()
            except TimeoutError:
                return None
        return self._text

    async def known(self, revision: int) -> bool:
        """Whether every replica has this revision in force, as soon as that is so, within the patience.

        Who asked a Switchboard that is gone may not have come back to this one yet, so a young one knows of nobody.
        """
        try:
            async with asyncio.timeout(self._patience_seconds):
                while self._behind(revision):
                    await self._was_read.wait()
        except TimeoutError:
            return not self._behind(revision)
        return True

    def _behind(self, revision: int) -> bool:
        now = self._now()
        self._readers = {name: it for name, it in self._readers.items() if now - it[1] < FORGET_SECONDS}
        return now - self._born_at < FORGET_SECONDS or any(known < revision for known, _ in self._readers.values())
