"""Until when an answer is worth something to its caller: `x-request-timeout-seconds`, a header of Ray Serve's."""

import math
from collections.abc import Mapping

from cluster.errors import Invalid, Problem

HEADER = "x-request-timeout-seconds"
_RAW = HEADER.encode()


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
        raise Invalid(f"{HEADER} {detail}", (Problem("", f"header {detail}"),))
    return arrived + seconds
