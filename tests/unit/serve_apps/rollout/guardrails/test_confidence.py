"""The bounds hold however often they are looked at, and are tight where we want them."""

from math import inf, log, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from windvane.serve_apps.rollout.guardrails.confidence import rate_difference_evidence, rate_evidence, reach, spread

ALPHA = 0.01
RUNS, LOOKS, STRIDE = 600, 400, 50
N = STRIDE * np.arange(1, LOOKS + 1)  # looked at every 50 outcomes up to 20,000


@pytest.fixture(scope="module")
def losses() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Running mean and variance [RUNS, LOOKS] of paired Brier differences with true mean 0."""
    rng = np.random.default_rng(7)
    truth = rng.beta(1.5, 5.0, 200_000)
    label = rng.random(truth.size) < truth
    one, other = (np.clip(truth + rng.normal(0.0, 0.08, truth.size), 0.0, 1.0) for _ in range(2))
    pool = (one - label) ** 2 - (other - label) ** 2
    pool = (pool - pool.mean()).astype(np.float32)
    total, squares = np.empty((RUNS, LOOKS)), np.empty((RUNS, LOOKS))
    for run in range(RUNS):
        drawn = pool[rng.integers(0, pool.size, (LOOKS, STRIDE), dtype=np.int32)]
        total[run], squares[run] = drawn.sum(axis=1), np.einsum("ij,ij->i", drawn, drawn)
    mean = total.cumsum(axis=1) / N
    return mean, squares.cumsum(axis=1) / N - mean**2


def reaches(variance: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """`reach` for every look of every run; its only use of the variance is this square root."""
    unit = np.array([reach(int(n), 1.0, alpha) for n in N])
    whole = unit * np.sqrt((N * variance + 0.25) / (N + 0.25))
    assert whole[3, 100] == pytest.approx(reach(int(N[100]), float(variance[3, 100]), alpha))
    return whole


def test_a_candidate_that_is_no_worse_is_rarely_failed_at_any_of_400_looks(
    losses: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    mean, variance = losses
    surely_above = mean - reaches(variance, ALPHA / 2.0) > 0.0
    assert surely_above.any(axis=1).mean() <= ALPHA
    one_look = mean - 1.645 * np.sqrt(variance / N) > 0.0  # what peeking at a 5 % test would do to it
    assert one_look.any(axis=1).mean() > 0.25


def test_a_candidate_worse_than_the_margin_is_rarely_passed_at_any_of_400_looks(
    losses: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    mean, variance = losses  # as seen from the margin: a truth on the margin itself is the hardest case
    surely_below = mean + reaches(variance, ALPHA) < 0.0
    assert surely_below.any(axis=1).mean() <= ALPHA


def test_a_clear_difference_is_seen_within_the_20_000_looked_at(
    losses: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    mean, variance = losses
    worse_by = 0.01
    first = (mean + worse_by - reaches(variance, ALPHA / 2.0) > 0.0).argmax(axis=1)
    assert 500 < np.median(N[first]) < 5_000


def test_the_bounds_are_tightest_around_2000() -> None:
    best = min(
        sqrt((2 * (2000 * rho**2 + 1)) / (2000**2 * rho**2) * np.log1p(sqrt(2000 * rho**2 + 1) / (2 * ALPHA)))
        for rho in np.linspace(0.005, 0.3, 500)
    )
    assert reach(2000, 1.0, ALPHA) == pytest.approx(best, rel=0.002)
    assert 0.06 < spread(ALPHA) < 0.08
    assert spread(ALPHA, 5000) == pytest.approx(spread(ALPHA) * sqrt(2 / 5))


def test_nothing_seen_reaches_everywhere_and_equal_losses_claim_no_certainty() -> None:
    assert reach(0, 0.0, ALPHA) == inf
    assert reach(200, 0.0, ALPHA) > 0.005
    assert reach(20_000, 0.0, ALPHA) < 0.0005


def test_equal_error_rates_are_rarely_called_different() -> None:
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(150):
        errors = rng.binomial(50, 0.02, 25).cumsum()
        base = rng.binomial(450, 0.02, 25).cumsum()
        wrong += any(
            rate_difference_evidence(int(e), 50 * look, int(b), 450 * look, 0.0) >= log(1 / 0.05)
            for look, (e, b) in enumerate(zip(errors, base, strict=True), start=1)
        )
    assert wrong / 150 <= 0.05


def test_more_errors_than_allowed_are_seen_and_fewer_never() -> None:
    assert rate_evidence(0, 0, 0.01) == rate_evidence(1, 100, 0.01) == rate_difference_evidence(1, 0, 0, 0, 0.0) == -inf
    assert rate_evidence(20, 200, 0.01) > log(1 / 0.001)
    assert rate_evidence(10, 10, 0.01) > log(1 / 0.001)
    assert rate_difference_evidence(10, 10, 0, 90, 0.01) > log(1 / 0.001)
    assert rate_difference_evidence(0, 100, 90, 900, 0.01) == -inf
