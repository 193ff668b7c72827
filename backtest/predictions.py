"""Scores a replay's rows by its versions, and says which of them answers each."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from windvane.serve_apps.traffic.router import Router, Split

Scores = NDArray[np.float64]
AHEAD = 8_192  # rows scored at once at least


class Predictions:
    """One version's scores of the history's rows, computed ahead in chunks; remembers which rows it was asked."""

    def __init__(self, rows: NDArray[np.float32], score: Callable[[NDArray[np.float32]], Scores]) -> None:
        self._rows, self._score = rows, score
        self._scores = np.full(len(rows), np.nan, np.float32)
        self._asked = np.zeros(len(rows), np.bool_)

    def score(self, start: int, stop: int) -> Scores:
        """float64[stop − start] scores."""
        if np.isnan(self._scores[stop - 1]) or np.isnan(self._scores[start]):
            until = min(len(self._rows), max(stop, start + AHEAD))
            self._scores[start:until] = self._score(self._rows[start:until])
        self._asked[start:stop] = True
        return self._scores[start:stop].astype(np.float64)

    def seen(self, rows: NDArray[np.int64]) -> Scores:
        """float64[n]: the scores of those rows, nan where it was not asked."""
        return np.where(self._asked[rows], self._scores[rows], np.nan).astype(np.float64)


def assigned(split: Split, row: int, stop: int) -> NDArray[np.int64]:
    """int64[n]: which version answers each row; a row is a unit of its own."""
    router = Router(split)
    weighted = [arm for arm in split.arms if arm.weight > 0]
    if len(weighted) == 1:
        return np.full(stop - row, weighted[0].version)
    return np.array([router.pick(router.bucket(str(unit))).version for unit in range(row, stop)])


def pairs(versions: dict[int, Scores]) -> list[tuple[int, int]]:
    """Every two of the versions, the lower number first."""
    ordered = sorted(versions)
    return [(low, high) for place, low in enumerate(ordered) for high in ordered[place + 1 :]]
