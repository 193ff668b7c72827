"""Figures of scored labels as textbooks define them; tests/e2e/test_figures.py holds them to scikit-learn's."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]


def auc(labels: Labels, scores: Floats) -> float:
    """Share of all pairs in which a positive scores above a negative; a tie is half."""
    positive, negative = scores[labels], np.sort(scores[~labels])
    above = np.searchsorted(negative, positive, "left").sum()
    not_below = np.searchsorted(negative, positive, "right").sum()
    return float((above + not_below) / (2 * len(positive) * len(negative)))


def brier(labels: Labels, scores: Floats) -> float:
    """The mean squared error of the chance."""
    return float(np.mean((scores - labels) ** 2))


def log_loss(labels: Labels, scores: Floats) -> float:
    """The mean surprise at what happened, in nats."""
    return float(-np.mean(np.log(np.where(labels, scores, 1.0 - scores))))
