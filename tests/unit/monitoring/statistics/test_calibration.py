"""Scores' promises are tested by what came, what that costs, and how much days may differ."""

import numpy as np
import pytest

from windvane.monitoring.statistics.calibration import (
    Block,
    block,
    blocks_of,
    cost,
    day_effect,
    standardised,
    tolerance,
)
from windvane.monitoring.statistics.performance import LabelledScores


def seen(scores: np.ndarray, labels: np.ndarray, window: int = 0) -> Block:
    counts = LabelledScores()
    counts.add(scores, labels)
    performance = counts.performance()
    assert performance is not None
    found = block(window, performance)
    assert found is not None
    return found


def scored(n: int = 200_000, seed: int = 1, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = 1 / (1 + np.exp(-strength * rng.normal(0, 1.5, n)))
    return scores, rng.random(n) < scores


def test_right_scores_break_neither_promise() -> None:
    found = seen(*scored())
    assert abs(found.rate) < 4 * (found.rate_variance / found.n) ** 0.5
    assert abs(found.slope) < 4 * (found.slope_variance / found.n) ** 0.5


def test_the_slope_is_tested_by_the_textbooks_score() -> None:
    scores, labels = scored(n=1_000)
    logit, variance = np.log(scores / (1 - scores)), scores * (1 - scores)
    centred = logit - (variance @ logit) / variance.sum()
    found = seen(scores, labels)
    assert found.slope == pytest.approx(float(np.mean((labels - scores) * centred)), abs=1e-8)
    assert found.slope_variance == pytest.approx(float(np.mean(variance * centred**2)), abs=1e-8)


def test_other_cases_alone_break_no_promise_and_a_flip_breaks_the_second() -> None:
    moved = seen(*scored(seed=2, strength=2.0))
    assert abs(moved.slope) < 4 * (moved.slope_variance / moved.n) ** 0.5
    scores, labels = scored(seed=3)
    flipped = seen(scores, ~labels)
    assert flipped.slope < -10 * tolerance(flipped, "slope", None)


def test_another_base_rate_breaks_the_first_promise() -> None:
    scores, labels = scored(seed=4)
    rarer = seen(scores, labels & (np.random.default_rng(0).random(len(labels)) < 0.5))
    assert rarer.rate < -tolerance(rarer, "rate", None)


def test_the_tolerance_costs_a_hundredth_of_what_there_is_to_lose() -> None:
    found = seen(*scored())
    assert cost(tolerance(found, "rate", None), found.rate_variance) == pytest.approx(0.01 * found.entropy)


def test_a_reference_that_was_off_at_birth_at_most_doubles_the_tolerance() -> None:
    found = seen(*scored())
    margin = tolerance(found, "rate", None)
    slightly = Block(0, 1, 0, 0.3 * margin, 0.2, 0.0, 0.05, 0.69)
    wildly = Block(0, 1, 0, 40 * margin, 0.2, 0.0, 0.05, 0.69)
    assert tolerance(found, "rate", slightly) == pytest.approx(1.3 * margin)
    assert tolerance(found, "rate", wildly) == pytest.approx(2 * margin)


def test_days_that_hang_together_widen_the_error_more_than_days_that_do_not() -> None:
    rng = np.random.default_rng(7)
    alone = rng.normal(0, 0.05, 600)
    together = np.repeat(alone[:120], 5)
    history = {
        name: [Block(k, 10_000, 0, d, 0.2, 0.0, 0.05, 0.69) for k, d in enumerate(days)]
        for name, days in (("alone", alone), ("together", together))
    }
    assert day_effect(history["alone"], "rate", 0.0) == pytest.approx(0.05**2, rel=0.7)
    assert day_effect(history["together"], "rate", 0.0) > 2 * day_effect(history["alone"], "rate", 0.0)


def test_a_concept_that_turns_over_months_is_no_effect_of_days() -> None:
    """It widened every version's error as fast as it broke its promise: 120 days without an alarm, from .50 to .77."""
    turning = [Block(k, 10_000, 0, 0.0, 0.2, -0.002 * k, 0.05, 0.69) for k in range(60)]
    about_their_mean = sum((0.002 * (k - 29.5)) ** 2 for k in range(60)) / 60  # and six times that in the long run
    assert day_effect(turning, "slope", 0.0) < 0.6 * about_their_mean


def test_without_a_history_days_are_taken_to_differ_as_assumed() -> None:
    assert day_effect([], "rate", 0.04) == 0.04


def test_one_row_moves_the_deviation_by_its_share() -> None:
    found = Block(0, 400, 100, 0.1, 0.16, 0.0, 0.05, 0.69)
    z, step = standardised(found, "rate", 1, 0.0, None)
    error = (0.16 / 400) ** 0.5
    assert z == pytest.approx((0.1 - tolerance(found, "rate", None)) / error)
    assert step == pytest.approx(1 / (400 * error))


def test_days_of_rows_that_were_learnt_from_are_taken_without_their_mean() -> None:
    scores, labels = scored(n=6_000)
    times = np.repeat(np.arange(60.0), 100)
    days = blocks_of(times, np.clip(scores + 0.05, 0.0, 1.0), labels, window=1.0, most=40)
    assert [each.window for each in days] == list(range(20, 60))
    assert abs(float(np.mean([each.rate for each in days]))) < 1e-12
    assert blocks_of(times[:20], scores[:20], labels[:20], window=1.0, most=40) == ()
