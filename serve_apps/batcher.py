"""Micro-batching of what is waiting: everything that arrived by the next turn of the loop is one batch; no timer."""

from collections import deque
from collections.abc import Callable, Sequence, Sized
from typing import Generic, TypeVar

from cluster.errors import Overloaded

Part = TypeVar("Part", bound=Sized)


class Batcher(Generic[Part]):
    """First in, first out; parts of requests, whose length is their rows, are never taken apart.

    Rows count as waiting from `add` until `finished`, and at most `most_waiting` may. `call_soon` is the loop's: it
    runs a function on the loop's next turn. `run` answers one batch of at most `largest` rows, or of one part, and
    must not raise.

    >>> turns = []
    >>> batcher = Batcher(print, largest=3, most_waiting=8, call_soon=turns.append)
    >>> batcher.add(["ab", "c", "d"])
    >>> turns.pop()(); turns.pop()()
    ['ab', 'c']
    ['d']
    """

    def __init__(
        self,
        run: Callable[[list[Part]], None],
        largest: int,
        most_waiting: int,
        call_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._run = run
        self._largest = largest
        self._most_waiting = most_waiting
        self._call_soon = call_soon
        self._queue: deque[Part] = deque()
        self._scheduled = False
        self.waiting = 0

    def add(self, parts: Sequence[Part]) -> None:
        """Take all of the parts or none; raises Overloaded when their rows do not fit beside those that wait.

        What is larger than the limit by itself is taken when nothing else waits, so that it can be answered at all.
        """
        rows = sum(map(len, parts))
        if self.waiting and self.waiting + rows > self._most_waiting:
            raise Overloaded(f"{self.waiting} rows are waiting and {self._most_waiting} may: try again in a second")
        self.waiting += rows
        self._queue.extend(parts)
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._flush)

    def finished(self, count: int) -> None:
        """`count` rows were answered or failed, and wait no more."""
        self.waiting -= count

    def _flush(self) -> None:
        queue = self._queue
        batch = [queue.popleft()]
        room = self._largest - len(batch[0])
        while queue and (room := room - len(queue[0])) >= 0:
            batch.append(queue.popleft())
        if queue:
            self._call_soon(self._flush)
        else:
            self._scheduled = False
        self._run(batch)
