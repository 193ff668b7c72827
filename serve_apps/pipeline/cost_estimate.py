"""Estimates how long a piece of work takes at each size, from how long it took: inline when short, else in a thread."""

from math import inf

WEIGHT = 0.25  # of the newest measurement


class CostEstimate:
    """Expected seconds by number of rows, in steps of a factor of two; sizes never seen take for ever.

    >>> estimate = CostEstimate()
    >>> estimate.expected(64)
    inf
    >>> estimate.took(100, 0.002)
    >>> estimate.expected(64), estimate.expected(63)
    (0.002, inf)
    """

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}  # by the bit length of the number of rows

    def expected(self, rows: int) -> float:
        """Seconds that so many rows took lately."""
        return self._seconds.get(rows.bit_length(), inf)

    def took(self, rows: int, seconds: float) -> None:
        """So many rows took so long."""
        size = rows.bit_length()
        before = self._seconds.get(size, seconds)
        self._seconds[size] = before + WEIGHT * (seconds - before)
