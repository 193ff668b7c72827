"""Micro-batching of what is waiting: everything that arrived by the next turn of the loop is one batch; no timer.

While an earlier batch is held up (by the disk), later ones would only queue behind it: they are put together instead.
"""

from collections import deque
from collections.abc import Callable, Sequence, Sized
from typing import Generic, TypeVar

Part = TypeVar("Part", bound=Sized)


class Batcher(Generic[Part]):
    """First in, first out; parts of requests, whose length is their rows, are never taken apart.

    How much may wait is decided before (`Admission`). `call_soon` is the loop's: it runs a function on the loop's next
    turn. `run` answers one batch of at most `largest` rows, or of one part. When it raises, `fail` gets the batch with
    the error and answers whatever `run` did not; the batches after it run all the same.

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
        fail: Callable[[list[Part], Exception], None] | None = None,
    ) -> None:
        self._run = run
        self._fail = fail
        self._largest = largest
        self._call_soon = call_soon
        self._queue: deque[Part] = deque()
        self._rows = 0  # in the queue
        self._held = 0  # batches that are held up
        self._scheduled = False

    def add(self, parts: Sequence[Part]) -> None:
        """Put the parts behind those that wait."""
        self._queue.extend(parts)
        self._rows += sum(map(len, parts))
        self._schedule()

    def hold(self) -> None:
        """A batch that ran is held up: until its `release` only full batches run."""
        self._held += 1

    def release(self) -> None:
        """That batch is held up no more."""
        self._held -= 1
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._is_due():
            self._scheduled = True
            self._call_soon(self._flush)

    def _is_due(self) -> bool:
        return bool(self._queue) and (not self._held or self._rows >= self._largest)

    def _flush(self) -> None:
        self._scheduled = False
        if not self._is_due():  # held up since it was scheduled
            return
        queue = self._queue
        batch = [queue.popleft()]
        rows = len(batch[0])
        while queue and rows + len(queue[0]) <= self._largest:
            rows += len(queue[0])
            batch.append(queue.popleft())
        self._rows -= rows
        self._schedule()
        try:
            self._run(batch)
        except Exception as error:
            if self._fail is None:
                raise
            self._fail(batch, error)
