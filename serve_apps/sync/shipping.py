"""Ships what a replica counted to the model's monitor, once a second; what could not be shipped is kept a while."""

import asyncio
import logging
from collections import deque
from typing import Protocol

from windvane.cluster.errors import Unavailable

SECONDS = 1.0
MOST_KEPT = 600  # shipments; ten minutes without a monitor
logger = logging.getLogger(__name__)


class Drained(Protocol):
    """Something that counts."""

    def drain(self) -> bytes:
        """Everything counted since the last drain, as one shipment."""


class MonitorLine(Protocol):
    """The monitor as a replica sees it."""

    async def ship(self, payload: bytes) -> None:
        """Deliver one shipment; raises Unavailable when the monitor is gone."""


class Shipping:
    """One per replica; a missing monitor costs no request anything."""

    def __init__(
        self, counts: Drained, line: MonitorLine, seconds: float = SECONDS, most_kept: int = MOST_KEPT
    ) -> None:
        self._counts = counts
        self._line = line
        self._seconds = seconds
        self._kept: deque[bytes] = deque(maxlen=most_kept)
        self._reachable = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Ship until stopped."""
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Ship what is left and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.ship()

    async def ship(self) -> None:
        """Deliver everything counted so far, oldest first; what is not delivered stays for the next time."""
        self._kept.append(self._counts.drain())
        try:
            while self._kept:
                await self._line.ship(self._kept[0])
                self._kept.popleft()
                self._reachable = True
        except Unavailable as error:
            if self._reachable:
                logger.warning("Counts wait for the monitor: %s", error)
            self._reachable = False

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.ship()
            except Exception:
                logger.exception("Shipping counts met an unforeseen error; it goes on")
