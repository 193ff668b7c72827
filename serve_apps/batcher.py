"""Micro-batching of what is waiting: everything that arrived by the next turn of the loop is one batch; no timer."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from cluster.errors import Overloaded

Row = TypeVar("Row")


class Batcher(Generic[Row]):
    """First in, first out; rows count as waiting from `add` until `finished`, and at most `most_waiting` may.

    `call_soon` is the loop's: it runs a function on the loop's next turn. `run` answers one batch of at most
    `largest` rows and must not raise.

    >>> turns = []
    >>> batcher = Batcher(print, largest=2, most_waiting=8, call_soon=turns.append)
    >>> batcher.add("abc")
    >>> turns.pop()(); turns.pop()()
    ['a', 'b']
    ['c']
    """

    def __init__(
        self,
        run: Callable[[list[Row]], None],
        largest: int,
        most_waiting: int,
        call_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._run = run
        self._largest = largest
        self._most_waiting = most_waiting
        self._call_soon = call_soon
        self._queue: deque[Row] = deque()
        self._scheduled = False
        self.waiting = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Take all of the rows or none; raises Overloaded when they do not fit beside those that wait.

        What is larger than the limit by itself is taken when nothing else waits, so that it can be answered at all.
        """
        if self.waiting and self.waiting + len(rows) > self._most_waiting:
            raise Overloaded(f"{self.waiting} rows are waiting and {self._most_waiting} may: try again in a second")
        self.waiting += len(rows)
        self._queue.extend(rows)
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._flush)

    def finished(self, count: int) -> None:
        """`count` rows were answered or failed, and wait no more."""
        self.waiting -= count

    def _flush(self) -> None:
        batch = list(islice(self._queue, self._largest))
        for _ in batch:
            self._queue.popleft()
        if self._queue:
            self._call_soon(self._flush)
        else:
            self._scheduled = False
        self._run(batch)
