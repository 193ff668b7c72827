"""Measures how much the mean of a window differs from the next one's beyond what its single rows explain."""

import numpy as np
from numpy.typing import NDArray

LEAST_ROWS = 30  # of a window that tells how windows differ


def between_windows(times: NDArray[np.float64], values: NDArray[np.float64], window: float) -> tuple[int, float]:
    """Windows of `window` seconds with enough rows, and the variance between their means beyond that within them.

    float[n] times in seconds, float[n] values. The moment estimator of a one-way random effect: the variance of the
    means less the mean of their sampling variances, at least 0.

    >>> windows, variance = between_windows(np.repeat([0.0, 10.0], 30), np.repeat([0.1, 0.3], 30), 10.0)
    >>> windows, round(variance, 4)
    (2, 0.02)
    """
    numbers = np.floor(times / window).astype(np.int64)
    _, place, n = np.unique(numbers, return_inverse=True, return_counts=True)
    kept = n >= LEAST_ROWS
    if kept.sum() < 2:
        return int(kept.sum()), 0.0
    means = np.bincount(place, values)[kept] / n[kept]
    within = np.bincount(place, values**2)[kept] / n[kept] - means**2
    sampling = float((within / (n[kept] - 1)).mean())
    return int(kept.sum()), max(float(means.var(ddof=1)) - sampling, 0.0)
