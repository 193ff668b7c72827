"""Holds a version to its own promise: what its scores say should come true, against what did, window by window.

A score p promises that p of such decisions come true, and with it its own Brier score: p (1 − p) on average. Both
promises are differences of means, linear in the label, so each has a mean of zero and a known variance while the scores
are right, whatever the mix of cases is: a shift of covariates alone breaks neither, a shift of the base rate breaks
the first, a changed concept the second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Literal, TypeAlias

import numpy as np

from monitoring.performance import Performance

Promise: TypeAlias = Literal["rate", "brier"]
STAKE = 0.01  # share of the base rate's entropy that may be lost before it is worth a retraining
ASSUMED_BLOCKS = 5  # windows of history that the assumption about day effects weighs as much as
_LAGS = 6  # windows over which the effects of one are felt in the next ones, at most


@dataclass(frozen=True, slots=True)
class Block:
    """One window of one version: how far labels and losses were from what the scores had promised."""

    window: int
    n: int
    positives: int
    rate: float  # share that came true − mean score
    rate_variance: float  # of one decision: mean p (1 − p)
    brier: float  # Brier score − promised Brier score
    brier_variance: float  # of one decision: mean p (1 − p) (1 − 2 p)²
    entropy: float  # of the base rate, in nats: what there is to lose

    def deviation(self, promise: Promise) -> float:
        """How far off the promise it was."""
        return self.rate if promise == "rate" else self.brier

    def variance(self, promise: Promise) -> float:
        """Of one decision's deviation while the scores are right."""
        return self.rate_variance if promise == "rate" else self.brier_variance


def block(window: int, seen: Performance) -> Block | None:
    """The window's block; None where the scores cannot tell (an older reference, or no variance at all)."""
    if seen.mean_score is None or seen.promised_brier is None or seen.spread is None:
        return None
    if seen.promised_brier <= 0.0:
        return None
    rate = seen.positives / seen.n
    return Block(
        window,
        seen.n,
        seen.positives,
        rate - seen.mean_score,
        seen.promised_brier,
        seen.brier - seen.promised_brier,
        max(seen.spread, 1e-4 * seen.promised_brier),
        entropy(0.5 * (rate + seen.mean_score)),
    )


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
    variance; `assumed` counts as five windows, so that a version without any history is not taken for calm.
    """
    if not history:
        return assumed
    deviations = np.array([each.deviation(promise) for each in history])
    sampling = float(np.mean([each.variance(promise) / each.n for each in history]))
    n = len(deviations)
    long_run = plain = float(deviations @ deviations) / n
    lags = min(_LAGS, n // 4)
    for lag in range(1, lags + 1):
        long_run += 2.0 * (1.0 - lag / (lags + 1)) * float(deviations[lag:] @ deviations[:-lag]) / n
    beyond = max(max(long_run, plain) - sampling, 0.0)
    return (ASSUMED_BLOCKS * assumed + n * beyond) / (ASSUMED_BLOCKS + n)


def standardised(of: Block, promise: Promise, sign: int, effect: float, reference: Block | None) -> tuple[float, float]:
    """How many standard errors the deviation lies beyond its tolerance towards `sign`, and how far one row moves that.

    A decision's deviation lies in [−1, 1].
    """
    error = sqrt(of.variance(promise) / of.n + effect)
    return (sign * of.deviation(promise) - tolerance(of, promise, reference)) / error, 1.0 / (of.n * error)
