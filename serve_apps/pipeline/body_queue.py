"""Lets one large request onto the event loop a turn, so that whoever arrives meanwhile is seen within milliseconds."""

import asyncio
from collections import deque

LARGE_BYTES = 16_384  # of a body: reading it takes longer than everything else about a single row


class BodyQueue:
    """First come, first served; one event loop's.

    Without it, all bodies that are complete are read in one turn. Under overload such a turn grows to the length of
    the whole queue, and what arrives in it ages unseen.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False  # this turn

    async def turn(self, size: int) -> None:
        """Return when a body of that many bytes may be read: at once when it is small or nobody else is at it."""
        if size < LARGE_BYTES:
            return
        if self._taken:
            mine = self._loop.create_future()
            self._waiting.append(mine)
            await mine
        else:
            self._taken = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():  # else its caller is gone
                first.set_result(None)
                self._loop.call_soon(self._next)
                return
        self._taken = False
