"""The stability index is zero without change, says None without data, and does not cry at many categories."""

import numpy as np
import pytest

from windvane.monitoring.statistics.drift import category_psi, group_starts, grouped_psi, psi, share_rise


def test_equal_shares_are_no_drift() -> None:
    assert psi(np.array([10, 20, 30]), np.array([100, 200, 300])) == 0.0


def test_the_index_is_the_textbook_sum() -> None:
    p, q = np.array([0.2, 0.8]), np.array([0.5, 0.5])
    expected = ((p - q) * np.log(p / q)).sum()
    assert psi(np.array([5000, 5000]), np.array([2000, 8000])) == pytest.approx(expected, rel=2e-3)


def test_no_rows_are_no_answer() -> None:
    empty, full = np.array([0, 0]), np.array([3, 4])
    assert psi(full, empty) is None
    assert psi(empty, full) is None
    assert category_psi(full, empty) is None
    assert grouped_psi(full, empty) is None
    assert share_rise(full, empty, 0) is None


def test_a_bin_empty_on_both_sides_adds_nothing() -> None:
    with_empty = psi(np.array([50, 50, 0]), np.array([40, 60, 0]))
    without = psi(np.array([50, 50]), np.array([40, 60]))
    assert with_empty == pytest.approx(without, rel=1e-3)


def test_a_hundred_rare_categories_do_not_drift_by_chance() -> None:
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(100))
    reference = np.concatenate(([0, 0], rng.multinomial(50_000, shares)))
    current = np.concatenate(([0, 0], rng.multinomial(500, shares)))
    joined = category_psi(reference, current)
    assert joined is not None
    assert joined < 0.1
    apart = psi(reference, current)
    assert apart is not None
    assert apart > joined


def test_unknown_categories_stay_visible_beside_rare_ones() -> None:
    reference = np.array([0, 0, 900, 50, 10, 10, 10])
    current = np.array([0, 300, 600, 50, 10, 10, 10])
    moved = category_psi(reference, current)
    assert moved is not None
    assert moved > 1.0


def test_groups_hold_enough_of_the_reference_each() -> None:
    reference = np.array([0, 5, 1, 1, 1, 10, 2, 0, 0])
    starts = group_starts(reference, 4)
    assert (np.add.reduceat(reference, starts) >= reference.sum() / 4).all()


def test_grouped_index_sees_scores_move() -> None:
    rng = np.random.default_rng(2)
    reference = np.bincount(rng.binomial(399, 0.3, 20_000), minlength=400)
    same = np.bincount(rng.binomial(399, 0.3, 1000), minlength=400)
    moved = np.bincount(rng.binomial(399, 0.35, 1000), minlength=400)
    still, gone = grouped_psi(reference, same), grouped_psi(reference, moved)
    assert still is not None
    assert gone is not None
    assert (still < 0.05, gone > 1.0) == (True, True)


def test_rise_of_a_share_is_signed() -> None:
    reference, current = np.array([10, 90]), np.array([50, 50])
    assert share_rise(reference, current, 0) == pytest.approx(0.4)
    assert share_rise(current, reference, 0) == pytest.approx(-0.4)
