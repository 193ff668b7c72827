"""Measures how old decisions are when their label becomes known, for each class of label."""

import numpy as np
from numpy.typing import NDArray

SHARE = 0.95  # of a class's labels that are waited for
LEAST = 30  # labels of a class before its ages say anything
_KEPT = 100_000  # labels; beyond them old ones count half, so that a delay that changes is followed
_OLDEST = 4_000  # windows


class LabelAges:
    """Counts labels by class and by age in whole windows of event time."""

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros((2, 1), np.int64)

    def add(self, age: int, labels: NDArray[np.bool_]) -> None:
        """Count bool[n] labels that became known at that age."""
        age = min(age, _OLDEST)
        if age >= self._counts.shape[1]:
            grown = np.zeros((2, age + 1), np.int64)
            grown[:, : self._counts.shape[1]] = self._counts
            self._counts = grown
        self._counts[:, age] += np.bincount(labels.astype(np.int64), minlength=2)
        if self._counts.sum() > _KEPT:
            self._counts //= 2

    def windows(self) -> int | None:
        """The age by which 95 % of each class's labels are known; None before 30 labels of any class.

        The slower class decides: positives and negatives arrive at different ages.

        >>> ages = LabelAges()
        >>> ages.add(1, np.ones(40, bool))
        >>> ages.add(7, np.zeros(40, bool))
        >>> ages.windows()
        7
        """
        totals = self._counts.sum(axis=1)
        waits = [
            int(np.searchsorted(np.cumsum(counts), SHARE * total))
            for counts, total in zip(self._counts, totals, strict=True)
            if total >= LEAST
        ]
        return max(waits, default=None)
