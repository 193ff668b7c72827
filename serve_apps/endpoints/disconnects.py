"""Ends the work for clients that hung up, without a task per request: a sweep looks at what has waited for long.

Ray Serve notices a client that leaves by two tasks for every request, one of which only waits for that: 40 to 80 µs, a
third and more of what Serve costs a request in all. What the ingress hands over has nobody else to see to that; what
goes through Serve has a header by which it is asked not to. This is how work is not done for nobody.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from windvane.serve_apps.endpoints.http_request import Receive
from windvane.serve_apps.serve_hooks import UNWATCHED

PATIENCE_SECONDS = 0.02  # what is answered sooner is not looked at


class Disconnects:
    """Watches requests whose bodies are read and whose answers are awaited, oldest first; one event loop's."""

    def __init__(self, ticks: Callable[[], float] = time.perf_counter) -> None:
        self._ticks = ticks
        self._waiting: dict[Watch, tuple[asyncio.Task[Any], Receive, float]] = {}
        self._sweeping = False

    def watch(self, headers: Mapping[bytes, bytes], receive: Receive) -> "Watch":
        """While the block runs, this task is cancelled when its client hangs up, should nobody else see to that."""
        return Watch(self, receive if headers.get(UNWATCHED[0]) == UNWATCHED[1] else None)

    def enter(self, watch: "Watch", receive: Receive) -> None:
        """The running task waits for its answer."""
        task = asyncio.current_task()
        assert task is not None, "only a task can be cancelled"
        self._waiting[watch] = (task, receive, self._ticks())
        if not self._sweeping:
            self._sweeping = True
            self._again()

    def leave(self, watch: "Watch") -> None:
        """It has its answer, or none."""
        self._waiting.pop(watch, None)

    def sweep(self) -> None:
        """Cancel every task that has waited for long and whose client is gone."""
        due = self._ticks() - PATIENCE_SECONDS
        for task, receive, since in list(self._waiting.values()):
            if since > due:
                break
            if hung_up(receive):
                task.cancel()
        self._sweeping = bool(self._waiting)
        if self._sweeping:
            self._again()

    def _again(self) -> None:
        asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self.sweep)


class Watch:
    """The block of one request."""

    __slots__ = ("_disconnects", "_receive")

    def __init__(self, disconnects: Disconnects, receive: Receive | None) -> None:
        self._disconnects = disconnects
        self._receive = receive

    def __enter__(self) -> None:
        if self._receive is not None:
            self._disconnects.enter(self, self._receive)

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._receive is not None:
            self._disconnects.leave(self)


def hung_up(receive: Receive) -> bool:
    """Whether the client of a request whose body was read is gone: `receive` is asked, and not waited for."""
    asking: Any = receive()
    try:
        asking.send(None)
    except StopIteration as answered:
        return bool(answered.value["type"] == "http.disconnect")
    finally:
        asking.close()
    return False
