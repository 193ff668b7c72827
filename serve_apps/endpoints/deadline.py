"""Since when a caller waits, and until when an answer is worth something to it.

The first is a header that our HAProxy sets; the second is `x-request-timeout-seconds`, a header of Ray Serve's.
"""

import math
import time
from collections.abc import Callable, Mapping

from windvane.cluster.errors import Invalid, Problem
from windvane.cluster.runtime.haproxy_queue import ARRIVED

HEADER = "x-request-timeout-seconds"
SINCE = ARRIVED.encode()
LONGEST_WAIT_SECONDS = 30.0  # what says to have waited longer speaks of another clock
_RAW = HEADER.encode()
_DIGITS = 17  # of microseconds since 1970, for the next thousand years


def waited(headers: Mapping[bytes, bytes], now: Callable[[], float] = time.time) -> float:
    """Seconds since HAProxy got the request; none when it did not come that way.

    >>> waited({SINCE: b"1700000000250000"}, now=lambda: 1_700_000_000.5)
    0.25
    """
    raw = headers.get(SINCE)
    if raw is None or not raw.isdigit() or len(raw) > _DIGITS:
        return 0.0
    seconds = now() - int(raw) / 1e6
    return seconds if 0.0 < seconds <= LONGEST_WAIT_SECONDS else 0.0


def deadline_of(headers: Mapping[bytes, bytes], arrived: float) -> float | None:
    """The deadline of a request that arrived then, on the same clock; None without the header. Raises Invalid."""
    raw = headers.get(_RAW)
    return None if raw is None else read_deadline(raw.decode("latin-1"), arrived)


def read_deadline(text: str, arrived: float) -> float:
    """`arrived` and so many seconds; raises Invalid unless they are a positive number.

    >>> read_deadline("0.25", arrived=10.0)
    10.25
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        detail = f"must be a number of seconds, such as 0.25, not {text[:40]!a}"
        raise Invalid(f"{HEADER} {detail}", (Problem("", f"header {detail}", "type", "header"),))
    return arrived + seconds
