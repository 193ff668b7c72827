"""The figures read from labelled scores are the textbook's, in whatever order they were counted."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds import figures
from windvane.monitoring.statistics.performance import LabelledScores, Performance, score_bins


def labelled(seed: int = 3, n: int = 5000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.2
    scores = 1.0 / (1.0 + np.exp(-(rng.normal(-1.5, 0.7, n) + 0.8 * labels)))
    return scores, labels


def counted(scores: np.ndarray, labels: np.ndarray) -> LabelledScores:
    counts = LabelledScores()
    counts.add(scores, labels)
    return counts


def test_figures_are_the_textbooks() -> None:
    scores, labels = labelled()
    performance = counted(scores, labels).performance()
    assert performance is not None
    assert performance.n == 5000
    assert performance.positives == labels.sum()
    assert performance.auc == pytest.approx(figures.auc(labels, scores), abs=5e-4)
    assert performance.brier == pytest.approx(figures.brier(labels, scores), abs=1e-9)
    assert performance.log_loss == pytest.approx(figures.log_loss(labels, scores), abs=1e-9)
    assert performance.brier_variance == pytest.approx(np.var((scores - labels) ** 2, ddof=1), rel=1e-6)


def test_auc_of_rare_events_is_not_lost_in_the_lowest_bin() -> None:
    rng = np.random.default_rng(5)
    labels = rng.random(200_000) < 0.001
    scores = 1.0 / (1.0 + np.exp(-(rng.normal(-7.0, 0.8, len(labels)) + 1.0 * labels)))
    performance = counted(scores, labels).performance()
    assert performance is not None
    assert performance.auc == pytest.approx(figures.auc(labels, scores), abs=2e-3)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=5), order=st.randoms())
def test_any_partition_in_any_order_gives_the_same_sums(cuts: list[int], order: Random) -> None:
    scores, labels = labelled(n=300)
    whole = counted(scores, labels)
    edges = [0, *sorted(cuts), 300]
    parts = [counted(scores[a:b], labels[a:b]) for a, b in pairwise(edges)]
    order.shuffle(parts)
    merged = LabelledScores()
    for part in parts:
        merged.merge(part)
    assert merged.performance() == whole.performance()
    assert (merged.bins == whole.bins).all()


def test_nothing_counted_is_no_performance() -> None:
    assert LabelledScores().performance() is None


def test_one_class_has_a_brier_score_and_no_auc() -> None:
    performance = counted(np.array([0.1, 0.2]), np.array([False, False])).performance()
    assert performance is not None
    assert performance.auc is None
    assert performance.auc_standard_error() is None
    assert performance.brier == pytest.approx(0.025)


def test_a_certain_and_wrong_score_costs_much_and_not_infinitely() -> None:
    performance = counted(np.array([0.0]), np.array([True])).performance()
    assert performance is not None
    assert performance.log_loss == pytest.approx(-np.log(1e-15))


def test_auc_standard_error_is_that_of_hanley_and_mcneil() -> None:
    # Their 1982 example: AUC 0.893 of 51 abnormal and 58 normal images has a standard error near 0.032.
    performance = Performance(n=109, positives=51, auc=0.893, brier=0.1, brier_variance=0.01, log_loss=0.3)
    assert performance.auc_standard_error() == pytest.approx(0.0322, abs=1e-3)


def test_auc_standard_error_covers_what_repeated_samples_do() -> None:
    drawn = [counted(*labelled(seed, 1000)).performance() for seed in range(60)]
    aucs = [p.auc for p in drawn if p is not None and p.auc is not None]
    expected = drawn[0].auc_standard_error() if drawn[0] else None
    assert expected == pytest.approx(float(np.std(aucs)), rel=0.25)


def test_every_score_has_a_bin() -> None:
    bins = score_bins(np.array([0.0, 1e-9, 0.5, 1.0 - 1e-9, 1.0]))
    assert bins.tolist() == [0, 0, 199, 399, 399]
