"""Decisions that two versions have both scored, kept as a bounded ring of numbers."""

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from windvane.monitoring.counts.joins import TAKEN_BACK
from windvane.monitoring.evidence import PairedEvidence, ShiftEvidence
from windvane.monitoring.statistics.drift import grouped_psi
from windvane.monitoring.statistics.performance import SCORE_BINS, UNIT, exact_sum, score_bins

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
    """Scores of two versions on the same decisions; `low` is the lower version number.

    The judge asks several times a second and always since the same moment: sums for that moment are kept up to date
    as rows come, so an answer costs the same after a thousand pairs and after a million.
    """

    def __init__(self, low: int, high: int, window_seconds: float, most: int = MOST) -> None:
        self.low = low
        self.high = high
        self._window_seconds = window_seconds
        self._scores = Ring(3, most)  # answered at, score of low, score of high
        self._labelled = Ring(4, most)  # the same and the label
        self._sums: _Sums | None = None
        self._cut: tuple[float, _Sums] | None = None  # before that moment

    def add(self, rows: Sequence[tuple[float, float, float, int]] | NDArray[np.float64]) -> None:
        """Take in (answered at, score of low, score of high, label); −1 is no label, 2 and 3 take 0 and 1 back."""
        given = np.asarray(rows, np.float64).reshape(-1, 4)
        labelled = given[:, 3] >= 0
        self._scores.add(given[~labelled, :3])
        self._labelled.add(given[labelled])
        if self._sums is not None:
            self._sums.add(given[~labelled, :3], given[labelled])

    def paired(self, champion: int, candidate: int, since: float, before: float | None = None) -> PairedEvidence | None:
        """Brier loss of candidate minus champion over decisions answered since (and before); None below two.

        `before` is to move in steps: its sums are made anew when it does.
        """
        sums = self._since(since) if before is None else self._between(since, before)
        n = sums.n
        if n < 2:
            return None
        low, high = (total / UNIT / n for total in sums.losses)
        mean = (sums.losses[1] - sums.losses[0]) / UNIT / n  # high minus low
        variance = max(sums.squared / UNIT / n - mean * mean, 0.0) * n / (n - 1)
        windows = 1.0 + (sums.last - sums.first) / self._window_seconds
        if candidate == self.high:
            return PairedEvidence(champion, candidate, n, mean, variance, low, high, windows)
        return PairedEvidence(champion, candidate, n, -mean, variance, high, low, windows)

    def shift(self, champion: int, candidate: int, since: float) -> ShiftEvidence | None:
        """Distance of the candidate's scores from the champion's over decisions answered since; None without one."""
        counts = self._since(since).scores
        psi = grouped_psi(counts[int(champion == self.high)], counts[int(candidate == self.high)])
        return None if psi is None else ShiftEvidence(int(counts[0].sum()), psi)

    def _since(self, since: float) -> "_Sums":
        if self._sums is None or self._sums.since != since:
            self._sums = _Sums(since)
            self._sums.add(self._scores.rows(), self._labelled.rows())
        return self._sums

    def _between(self, since: float, before: float) -> "_Sums":
        if self._cut is None or self._cut[0] != before or self._cut[1].since != since:
            labelled, sums = self._labelled.rows(), _Sums(since)
            sums.add(np.empty((0, 3)), labelled[labelled[:, 0] < before])
            self._cut = (before, sums)
        return self._cut[1]


class _Sums:
    """Sums over pairs answered since one moment; exact, so the order of rows does not matter."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.n = 0  # labelled pairs
        self.first, self.last = inf, -inf  # when the first and the last of them was answered
        self.losses = [0, 0]  # Brier loss of low and high
        self.squared = 0  # of the difference
        self.scores: NDArray[np.int64] = np.zeros((2, SCORE_BINS), np.int64)

    def add(self, scores: NDArray[np.float64], labelled: NDArray[np.float64]) -> None:
        """Add float64[n, 3] scored and float64[m, 4] labelled pairs."""
        scores = scores[scores[:, 0] >= self.since]
        for column in (0, 1):
            self.scores[column] += np.bincount(score_bins(scores[:, 1 + column]), minlength=SCORE_BINS)
        labelled = labelled[labelled[:, 0] >= self.since]
        back = labelled[:, 3] >= TAKEN_BACK
        sign = np.where(back, -1.0, 1.0)
        labels = np.where(back, labelled[:, 3] - TAKEN_BACK, labelled[:, 3])
        losses = np.square(labelled[:, 1:3] - labels[:, None])
        self.n += int(sign.sum())
        if len(labelled):
            self.first = min(self.first, float(labelled[:, 0].min()))
            self.last = max(self.last, float(labelled[:, 0].max()))
        for column in (0, 1):
            self.losses[column] += exact_sum(sign * losses[:, column])
        self.squared += exact_sum(sign * np.square(losses[:, 1] - losses[:, 0]))
