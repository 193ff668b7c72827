"""Measures how well scores met their labels: exact mergeable sums, and the figures read from them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Fixed bins of [0, 1], 0.05 wide in log-odds between 0.00005 and 0.99995: fine where scores of rare events live too.
SCORE_EDGES: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.linspace(-10.0, 10.0, 399)))
SCORE_BINS = len(SCORE_EDGES) + 1
UNIT = float(1 << 32)  # losses are summed as integers of 2^-32, so that any order of adding gives the same sum
_EXTREME = 1e-3  # log-odds are taken of scores clipped here, so that no single decision weighs more than seven
_SMALLEST = 1e-15  # scores are clipped here before the logarithm


def score_bins(scores: NDArray[np.floating]) -> NDArray[np.intp]:
    """The fixed bin of every score.

    >>> score_bins(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 199, 399]
    """
    return np.searchsorted(SCORE_EDGES, scores, side="left")


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures of one version on labelled decisions; `auc` is None when only one class was seen.

    The AUC is read from the fixed score bins (ties count half), here and in the reference alike, so both compare.
    """

    n: int
    positives: int
    auc: float | None
    brier: float
    brier_variance: float  # of one decision's squared error
    log_loss: float
    mean_score: float | None = None  # what the scores promise: the share of labels that should be true
    variance: float | None = None  # mean v = p (1 − p): of one label where every score is right
    residual_logit: float | None = None  # mean (y − p) l, with l the score's log-odds
    variance_logit: float | None = None  # mean v l
    variance_logit_squared: float | None = None  # mean v l²

    def auc_standard_error(self) -> float | None:
        """Hanley and McNeil (1982), from the AUC and the size of both classes."""
        if self.auc is None:
            return None
        auc, positives, negatives = self.auc, self.positives, self.n - self.positives
        q1, q2 = auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc)
        variance = auc * (1.0 - auc) + (positives - 1) * (q1 - auc * auc) + (negatives - 1) * (q2 - auc * auc)
        return math.sqrt(max(variance, 0.0) / (positives * negatives))

    def brier_standard_error(self) -> float:
        """Of the mean squared error over `n` decisions."""
        return math.sqrt(self.brier_variance / self.n)


class LabelledScores:
    """Counts of scores per bin and label with exact loss sums; adding is commutative and associative to the bit."""

    __slots__ = (
        "bins",
        "brier",
        "brier_squared",
        "log_loss",
        "residual_logit",
        "scores",
        "variance",
        "variance_logit",
        "variance_logit_squared",
    )

    def __init__(self) -> None:
        self.bins: NDArray[np.int64] = np.zeros((2, SCORE_BINS), np.int64)
        self.brier = 0
        self.brier_squared = 0
        self.log_loss = 0
        self.scores = 0
        self.variance = 0
        self.residual_logit = 0
        self.variance_logit = 0
        self.variance_logit_squared = 0

    @property
    def n(self) -> int:
        """Labelled decisions seen."""
        return int(self.bins.sum())

    def add(self, scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> None:
        """Count float[n] scores in [0, 1] with their bool[n] labels."""
        self._count(scores, labels, 1)

    def take_back(self, scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> None:
        """Count no longer what was counted before; exact, so nothing of it is left."""
        self._count(scores, labels, -1)

    def _count(self, scores: NDArray[np.floating], labels: NDArray[np.bool_], sign: int) -> None:
        scores = np.asarray(scores, np.float64)
        labels = np.asarray(labels, np.bool_)
        places = score_bins(scores) + SCORE_BINS * labels
        self.bins += sign * np.bincount(places, minlength=2 * SCORE_BINS).reshape(2, SCORE_BINS)
        squared = np.square(scores - labels)
        likelihood = np.clip(np.where(labels, scores, 1.0 - scores), _SMALLEST, 1.0)
        self.brier += sign * exact_sum(squared)
        self.brier_squared += sign * exact_sum(np.square(squared))
        self.log_loss += sign * exact_sum(-np.log(likelihood))
        variance = np.asarray(scores * (1.0 - scores), np.float64)
        chance = np.clip(scores, _EXTREME, 1.0 - _EXTREME)
        logit = np.asarray(np.log(chance / (1.0 - chance)), np.float64)
        self.scores += sign * exact_sum(np.asarray(scores, np.float64))
        self.variance += sign * exact_sum(variance)
        self.residual_logit += sign * exact_sum(np.asarray((labels - scores) * logit, np.float64))
        self.variance_logit += sign * exact_sum(variance * logit)
        self.variance_logit_squared += sign * exact_sum(variance * np.square(logit))

    def merge(self, other: "LabelledScores") -> None:
        """Add everything the other one counted."""
        self.bins += other.bins
        self.brier += other.brier
        self.brier_squared += other.brier_squared
        self.log_loss += other.log_loss
        self.scores += other.scores
        self.variance += other.variance
        self.residual_logit += other.residual_logit
        self.variance_logit += other.variance_logit
        self.variance_logit_squared += other.variance_logit_squared

    def performance(self) -> Performance | None:
        """The figures, or None when nothing was counted."""
        negatives, positives = (int(total) for total in self.bins.sum(axis=1))
        n = negatives + positives
        if n == 0:
            return None
        brier = self.brier / UNIT / n
        variance = max(self.brier_squared / UNIT / n - brier * brier, 0.0) * n / max(n - 1, 1)
        return Performance(
            n=n,
            positives=positives,
            auc=_auc(self.bins),
            brier=brier,
            brier_variance=variance,
            log_loss=self.log_loss / UNIT / n,
            mean_score=self.scores / UNIT / n,
            variance=self.variance / UNIT / n,
            residual_logit=self.residual_logit / UNIT / n,
            variance_logit=self.variance_logit / UNIT / n,
            variance_logit_squared=self.variance_logit_squared / UNIT / n,
        )


def exact_sum(losses: NDArray[np.float64]) -> int:
    """The sum of float64 losses in units of 2^-32."""
    return int(np.rint(losses * UNIT).astype(np.int64).sum())


def _auc(bins: NDArray[np.int64]) -> float | None:
    """P(score of a positive > score of a negative) with ties counted half, or None without both classes."""
    negatives, positives = bins
    pairs = int(negatives.sum()) * int(positives.sum())
    if pairs == 0:
        return None
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + 0.5 * negatives)).sum() / pairs)
