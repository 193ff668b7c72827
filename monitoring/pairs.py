"""Decisions that two versions have both scored, kept as a bounded ring of numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitoring.drift import grouped_psi
from monitoring.evidence import PairedEvidence, ShiftEvidence
from monitoring.performance import SCORE_BINS, score_bins

MOST = 300_000  # newest pairs kept: 7 MB for every two versions compared


class Ring:
    """The newest rows of float64[n, width], growing up to `most` and then overwriting the oldest."""

    def __init__(self, width: int, most: int = MOST) -> None:
        self._rows = np.empty((min(1024, most), width), np.float64)
        self._most = most
        self._next = 0
        self.n = 0

    def add(self, rows: NDArray[np.float64]) -> None:
        """Append float64[n, width] rows."""
        rows = rows[-self._most :]
        while self.n + len(rows) > len(self._rows) < self._most:
            grown = np.empty((min(2 * len(self._rows), self._most), self._rows.shape[1]), np.float64)
            grown[: self.n] = self._rows[: self.n]  # nothing was overwritten while there was room to grow
            self._rows, self._next = grown, self.n
        places = (self._next + np.arange(len(rows))) % len(self._rows)
        self._rows[places] = rows
        self._next = int((self._next + len(rows)) % len(self._rows))
        self.n = min(self.n + len(rows), len(self._rows))

    def rows(self) -> NDArray[np.float64]:
        """float64[n, width], in no particular order."""
        return self._rows[: self.n]


class Pair:
    """What two versions said to the same decisions; `low` is the lower version number."""

    def __init__(self, low: int, high: int, most: int = MOST) -> None:
        self.low = low
        self.high = high
        self._scores = Ring(3, most)  # answered at, score of low, score of high
        self._labelled = Ring(4, most)  # the same and the label

    def add(self, rows: Sequence[tuple[float, float, float, int]]) -> None:
        """Take in (answered at, score of low, score of high, label); label −1 is a pair without one."""
        given = np.array(rows, np.float64).reshape(-1, 4)
        labelled = given[:, 3] >= 0
        self._scores.add(given[~labelled, :3])
        self._labelled.add(given[labelled])

    def paired(self, champion: int, candidate: int, since: float) -> PairedEvidence | None:
        """Brier loss of candidate minus champion over decisions answered since; None below two."""
        rows = self._labelled.rows()
        rows = rows[rows[:, 0] >= since]
        n = len(rows)
        if n < 2:
            return None
        losses = np.square(rows[:, 1:3] - rows[:, 3:4])
        one, two = (losses[:, int(version == self.high)] for version in (champion, candidate))
        difference = two - one
        variance = float(difference.var(ddof=1))
        mean = float(difference.mean())
        return PairedEvidence(champion, candidate, n, mean, variance, float(one.mean()), float(two.mean()))

    def shift(self, champion: int, candidate: int, since: float) -> ShiftEvidence | None:
        """How far the candidate's scores lie from the champion's over decisions answered since; None without one."""
        rows = self._scores.rows()
        rows = rows[rows[:, 0] >= since]
        one, two = (
            np.bincount(score_bins(rows[:, 1 + int(version == self.high)]), minlength=SCORE_BINS)
            for version in (champion, candidate)
        )
        psi = grouped_psi(one, two)
        return None if psi is None else ShiftEvidence(len(rows), psi)
