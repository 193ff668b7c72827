"""Paired evidence is computed over exactly the decisions asked for, and is None where there are none."""

import numpy as np
import pytest

from windvane.monitoring.counts.pairs import Pair, Ring


def test_a_ring_keeps_the_newest_rows() -> None:
    ring = Ring(1, most=5)
    for start in range(0, 12, 3):
        ring.add(np.arange(start, start + 3, dtype=np.float64).reshape(-1, 1))
    assert sorted(ring.rows()[:, 0].tolist()) == [7, 8, 9, 10, 11]


def test_a_ring_grows_up_to_its_most() -> None:
    ring = Ring(1, most=5000)
    ring.add(np.arange(3000, dtype=np.float64).reshape(-1, 1))
    ring.add(np.arange(3000, 6000, dtype=np.float64).reshape(-1, 1))
    assert sorted(ring.rows()[:, 0].tolist()) == list(range(1000, 6000))


def test_a_ring_given_more_than_its_most_keeps_the_last() -> None:
    ring = Ring(1, most=3)
    ring.add(np.arange(10, dtype=np.float64).reshape(-1, 1))
    assert sorted(ring.rows()[:, 0].tolist()) == [7, 8, 9]


def test_the_difference_is_candidate_minus_champion() -> None:
    pair = Pair(1, 2, 10.0)
    pair.add([(10.0, 0.9, 0.5, 1), (11.0, 0.2, 0.4, 0)])
    evidence = pair.paired(champion=1, candidate=2, since=0.0)
    assert evidence is not None
    differences = np.array([0.25 - 0.01, 0.16 - 0.04])
    assert evidence.n == 2
    assert evidence.mean_difference == pytest.approx(differences.mean())
    assert evidence.variance == pytest.approx(differences.var(ddof=1))
    assert evidence.brier_champion == pytest.approx((0.01 + 0.04) / 2)
    assert evidence.brier_candidate == pytest.approx((0.25 + 0.16) / 2)
    turned = pair.paired(champion=2, candidate=1, since=0.0)
    assert turned is not None
    assert turned.mean_difference == pytest.approx(-evidence.mean_difference)


def test_only_decisions_answered_since_count() -> None:
    pair = Pair(1, 2, 10.0)
    pair.add([(float(at), 0.5, 0.6, label) for at in range(10) for label in (-1, 1)])
    paired, shift = pair.paired(1, 2, since=7.0), pair.shift(1, 2, since=7.0)
    assert paired is not None
    assert shift is not None
    assert (paired.n, shift.n) == (3, 3)


def test_fewer_than_two_labels_are_no_evidence() -> None:
    pair = Pair(1, 2, 10.0)
    pair.add([(1.0, 0.5, 0.6, -1), (1.0, 0.5, 0.6, 1)])
    assert pair.paired(1, 2, since=0.0) is None
    assert pair.shift(1, 2, since=2.0) is None


def test_equal_scores_do_not_shift_and_other_scores_do() -> None:
    rng = np.random.default_rng(1)
    scores = rng.beta(2, 5, 2000)
    same, moved = Pair(1, 2, 10.0), Pair(1, 2, 10.0)
    same.add([(0.0, s, s, -1) for s in scores])
    moved.add([(0.0, s, s**0.5, -1) for s in scores])
    still, gone = same.shift(1, 2, 0.0), moved.shift(1, 2, 0.0)
    assert still is not None
    assert gone is not None
    assert still.psi == 0.0
    assert gone.psi > 1.0


def test_rows_that_come_between_two_questions_are_in_the_second_answer() -> None:
    rng = np.random.default_rng(3)
    rows = [(float(at), *rng.random(2), int(rng.integers(-1, 2))) for at in range(500)]
    asked, unasked = Pair(1, 2, 10.0), Pair(1, 2, 10.0)
    for start in range(0, 500, 50):
        asked.add(rows[start : start + 50])
        asked.paired(1, 2, since=100.0)
    unasked.add(rows)
    assert asked.paired(1, 2, since=100.0) == unasked.paired(1, 2, since=100.0)
    assert asked.shift(1, 2, since=100.0) == unasked.shift(1, 2, since=100.0)
    assert asked.paired(1, 2, since=200.0) == unasked.paired(1, 2, since=200.0)
