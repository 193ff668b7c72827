"""The Switchboard's part about keys: the newest snapshot of them, told to whoever waits as soon as there is a newer."""

import asyncio

from cluster.callers.key_ring import KeySnapshot, decode_snapshot, encode_snapshot

POLL_SECONDS = 0.5  # a wait returns after this, so that a replica notices soon that nobody is there to tell it


class KeyBoard:
    """Snapshots travel as JSON, so that replicas of two releases understand each other."""

    def __init__(self, snapshot: KeySnapshot, poll_seconds: float = POLL_SECONDS) -> None:
        """`snapshot` is what the store has."""
        self._revision = snapshot.revision
        self._text = encode_snapshot(snapshot)
        self._poll_seconds = poll_seconds
        self._published = asyncio.Event()

    def publish(self, text: str) -> int:
        """Make a snapshot the newest and return the revision that is; an older one changes nothing. Raises Invalid."""
        revision = decode_snapshot(text).revision
        if revision > self._revision:
            self._revision, self._text = revision, text
            self._published.set()
            self._published = asyncio.Event()
        return self._revision

    async def wait(self, known_revision: int) -> str | None:
        """The newest snapshot's JSON as soon as it is newer than the known one; None after a while without one."""
        if self._revision <= known_revision:
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._published.wait()
            except TimeoutError:
                return None
        return self._text
