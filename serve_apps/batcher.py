"""Micro-batching of what is waiting: everything that arrived by the next turn of the loop is one batch; no timer."""

from collections import deque
from collections.abc import Callable, Sequence, Sized
from typing import Generic, TypeVar

Part = TypeVar("Part", bound=Sized)


class Batcher(Generic[Part]):
    """First in, first out; parts of requests, whose length is their rows, are never taken apart.

    How much may wait is decided before (`Admission`). `call_soon` is the loop's: it runs a function on the loop's next
    turn. `run` answers one batch of at most `largest` rows, or of one part, and must not raise.

    >>> turns = []
    >>> batcher = Batcher(print, largest=3, call_soon=turns.append)
    >>> batcher.add(["ab", "c", "d"])
    >>> turns.pop()(); turns.pop()()
    ['ab', 'c']
    ['d']
    """

    def __init__(
        self,
        run: Callable[[list[Part]], None],
        largest: int,
        call_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._run = run
        self._largest = largest
        self._call_soon = call_soon
        self._queue: deque[Part] = deque()
        self._scheduled = False

    def add(self, parts: Sequence[Part]) -> None:
        """Put the parts behind those that wait."""
        self._queue.extend(parts)
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._flush)

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
