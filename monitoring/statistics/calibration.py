"""Holds a version to its own promise: what its scores say should come true, against what did, window by window.

A score p with log-odds l promises that p of such decisions come true, and so that a logistic regression of what came
true on l has an intercept of 0 and a slope of 1. The score tests of both (Cox 1958) are means of (y − p), and of
(y − p) times l less its mean: linear in the label, with a mean of zero and a known variance while the scores are right,
whatever the mix of cases is. A shift of the cases alone breaks neither promise, another base rate breaks the first, a
changed concept the second: what the scores tell apart no longer differs as much, or differs the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, sqrt
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from windvane.monitoring.statistics.performance import LabelledScores, Performance

Promise: TypeAlias = Literal["rate", "slope"]
PROMISES: tuple[Promise, ...] = ("rate", "slope")
LEAST_ROWS = 30  # of a window that tells how days differ
STAKE = 0.01  # share of the base rate's entropy that may be lost before it is worth a retraining
ASSUMED_BLOCKS = 5  # windows of history that the assumption about day effects weighs as much as
LEAST_SPREAD = 0.01  # of log-odds, squared: scores that hardly differ promise no slope
_LAGS = 6  # windows over which the effects of one are felt in the next ones, at most
_HALF = 14  # windows on either side that a local mean is taken over: four times an effect's longest


@dataclass(frozen=True, slots=True)
class Block:
    """One window of one version: how far labels were from what the scores had promised."""

    window: int
    n: int
    positives: int
    rate: float  # share that came true − mean score
    rate_variance: float  # of one decision: mean p (1 − p)
    slope: float  # mean (y − p) (l − mean l): negative where high scores come true less often than they say
    slope_variance: float  # of one decision: mean p (1 − p) (l − mean l)²
    entropy: float  # of the base rate, in nats: what there is to lose

    def deviation(self, promise: Promise) -> float:
        """Deviation from the promise."""
        return self.rate if promise == "rate" else self.slope

    def variance(self, promise: Promise) -> float:
        """Of one decision's deviation while the scores are right."""
        return self.rate_variance if promise == "rate" else self.slope_variance

    def largest(self, promise: Promise) -> float:
        """Bound hardly exceeded by one decision's deviation: 1, or five standard deviations of the scores' log-odds."""
        return 1.0 if promise == "rate" else 5.0 * sqrt(self.slope_variance / self.rate_variance)

    def calibration_slope(self) -> float:
        """The slope that would be right in place of 1, to a first approximation."""
        return 1.0 + self.slope / self.slope_variance


def block(window: int, seen: Performance) -> Block | None:
    """The window's block; None where the scores cannot tell (an older reference, or no variance at all)."""
    if (
        seen.mean_score is None
        or seen.variance is None
        or seen.residual_logit is None
        or seen.variance_logit is None
        or seen.variance_logit_squared is None
        or seen.variance <= 0.0
    ):
        return None
    rate = seen.positives / seen.n
    mean = seen.variance_logit / seen.variance  # weighted so that intercept and slope are tested apart
    spread = seen.variance_logit_squared - mean * seen.variance_logit
    return Block(
        window,
        seen.n,
        seen.positives,
        rate - seen.mean_score,
        seen.variance,
        seen.residual_logit - mean * (rate - seen.mean_score),
        max(spread, LEAST_SPREAD * seen.variance),
        entropy(0.5 * (rate + seen.mean_score)),
    )


def blocks_of(
    times: NDArray[np.float64], scores: NDArray[np.float64], labels: NDArray[np.bool_], window: float, most: int
) -> tuple[Block, ...]:
    """The newest `most` windows of float64[n] times (seconds), float64[n] scores and bool[n] labels, less their mean.

    Of rows that a version has learnt from: they tell how much days differ, not whether the version keeps its promise.
    """
    found: list[Block] = []
    numbers = np.floor(times / window).astype(np.int64)
    for number in np.unique(numbers)[-most:].tolist():
        of = numbers == number
        counts = LabelledScores()
        counts.add(scores[of], labels[of])
        performance = counts.performance()
        one = None if performance is None or performance.n < LEAST_ROWS else block(number, performance)
        if one is not None:
            found.append(one)
    if not found:
        return ()
    rate, slope = (float(np.mean([each.deviation(promise) for each in found])) for promise in PROMISES)
    return tuple(replace(each, rate=each.rate - rate, slope=each.slope - slope) for each in found)


def entropy(rate: float) -> float:
    """Nats per decision of a base rate.

    >>> round(entropy(0.5), 4), entropy(0.0)
    (0.6931, 0.0)
    """
    if rate <= 0.0 or rate >= 1.0:
        return 0.0
    return -rate * log(rate) - (1.0 - rate) * log(1.0 - rate)


def cost(deviation: float, variance: float) -> float:
    """Log loss per decision that recalibrating alone would win back: deviation² / (2 variance), the score test's.

    >>> round(cost(0.1, 0.25), 3)
    0.02
    """
    return deviation * deviation / (2.0 * variance)


def tolerance(of: Block, promise: Promise, reference: Block | None) -> float:
    """The deviation that costs `STAKE` of what there is to lose, and as much again where it was off at birth.

    The reference may at most double it: a version that was made from a mixture of two worlds is off by much, and that
    is no reason to let it go on.
    """
    margin = sqrt(2.0 * of.variance(promise) * STAKE * of.entropy)
    if reference is None:
        return margin
    return margin + min(abs(reference.deviation(promise)), margin)


def day_effect(history: Sequence[Block], promise: Promise, assumed: float) -> float:
    """Variance of a window's deviation beyond that of its single decisions, effects that last for windows included.

    The long-run variance of the windows' deviations (Newey and West 1987, Bartlett weights) less their sampling
    variance; `assumed` counts as five windows, so that a version without any history is not taken for calm. Deviations
    are taken from their mean over four weeks of windows, so that a concept that turns over months is no effect of days:
    an alarm that took it for one would never come. The mean takes some of an effect along; the variance is scaled by
    what that is of the longest effect.
    """
    if not history:
        return assumed
    deviations = np.array([each.deviation(promise) for each in history])
    sampling = float(np.mean([each.variance(promise) / each.n for each in history]))
    n = len(deviations)
    lags = min(_LAGS, n // 4)
    longest, scale = _LAGS + 1, 1.0
    if n >= 2 * longest:
        deviations = deviations - _local_means(deviations)
        scale = (1.0 - longest / (2 * _HALF + 1)) ** -2
    long_run = plain = float(deviations @ deviations) / n
    for lag in range(1, lags + 1):
        long_run += 2.0 * (1.0 - lag / (lags + 1)) * float(deviations[lag:] @ deviations[:-lag]) / n
    beyond = max(scale * max(long_run, plain) - sampling, 0.0)
    return (ASSUMED_BLOCKS * assumed + n * beyond) / (ASSUMED_BLOCKS + n)


def _local_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of up to `_HALF` values before, the value itself, and as many after; of float[n], as float[n]."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low, high = np.maximum(places - _HALF, 0), np.minimum(places + _HALF + 1, len(values))
    means: NDArray[np.float64] = (total[high] - total[low]) / (high - low)
    return means


def standardised(of: Block, promise: Promise, sign: int, effect: float, reference: Block | None) -> tuple[float, float]:
    """Standard errors by which the deviation exceeds its tolerance towards `sign`, and by which a row moves that."""
    error = sqrt(of.variance(promise) / of.n + effect)
    beyond = sign * of.deviation(promise) - tolerance(of, promise, reference)
    return beyond / error, of.largest(promise) / (of.n * error)
