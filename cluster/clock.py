"""The clock of a process: wall time, which somebody may set, and ticks, which only go on."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Both in seconds: `now` since 1970, `ticks` since a moment that means nothing.

    >>> stopped = Clock(now=lambda: 1_800_000_000.0, ticks=lambda: 7.0)
    >>> stopped.ticks() - stopped.ticks()
    0.0
    """

    now: Callable[[], float] = time.time
    ticks: Callable[[], float] = time.perf_counter


SYSTEM_CLOCK = Clock()
