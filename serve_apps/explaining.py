"""When and where rows are explained: on the loop where that was quick lately, else in a thread."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cluster.encoding import Rows
from cluster.errors import WindvaneError
from serve_apps.pace import Pace
from serve_apps.pending import Scored
from serve_apps.scorer import LoadedVersion

LONGEST_HELD_SECONDS = 0.002  # explaining that is expected to take longer leaves the loop to others
Explanations: TypeAlias = Sequence[tuple[float, ...] | None]
Explained: TypeAlias = Callable[[Scored, Explanations | None, BaseException | None], None]


class Explaining:
    """Explains every row of what it is given and says so on the loop: explanations, or the error instead of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, explained: Explained) -> None:
        self._loop = loop
        self._explained = explained
        self._threads = ThreadPoolExecutor(1, "explain")
        self._paces: WeakKeyDictionary[LoadedVersion, Pace] = WeakKeyDictionary()  # one goes with its version

    def explain(self, scored: Scored) -> None:
        """Here when that is quick, else in a thread, so that nobody waits long for what others asked."""
        pace = self._paces.setdefault(scored.loaded, Pace())
        if pace.expected(len(scored.rows)) <= LONGEST_HELD_SECONDS:
            try:
                explanations = _explained(scored.loaded, scored.encoded, pace)
            except WindvaneError as error:
                self._explained(scored, None, error)
            else:
                self._explained(scored, explanations, None)
            return
        explaining = self._loop.run_in_executor(self._threads, _explained, scored.loaded, scored.encoded, pace)

        def explained(done: "asyncio.Future[Explanations]") -> None:
            error = done.exception()
            self._explained(scored, done.result() if error is None else None, error)

        explaining.add_done_callback(explained)


def _explained(loaded: LoadedVersion, encoded: Rows, pace: Pace) -> Explanations:
    """One tuple a row, base value first; raises Unavailable. What is measured is this thread's own time."""
    start = time.thread_time()
    contributions: NDArray[np.float64] = loaded.explain(encoded)
    pace.took(len(encoded), time.thread_time() - start)
    return [tuple(row) for row in contributions.tolist()]
