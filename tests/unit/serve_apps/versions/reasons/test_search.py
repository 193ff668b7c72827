"""The search against every combination there is, on made-up scores that know nothing of trees."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from windvane.cluster.encoding import Rows
from windvane.serve_apps.versions.reasons.candidates import Alternatives
from windvane.serve_apps.versions.reasons.search import Reached, Search

Floats = NDArray[np.float64]


def alternatives_of(costs: list[list[float]]) -> list[Alternatives]:
    """Feature p of the row becomes 1, 2, 3, … at the given costs."""
    return [
        Alternatives(
            place, tuple(range(1, len(own) + 1)), np.arange(1, len(own) + 1, dtype=np.float32), np.sort(np.array(own))
        )
        for place, own in enumerate(costs)
    ]


def missing_by(table: Callable[[tuple[int, ...]], float]) -> Callable[[Rows], Floats]:
    return lambda rows: np.array([table(tuple(map(int, row))) for row in rows])


def reached(missed: Floats) -> Floats:
    return np.maximum(missed, 0.0)


def search_of(costs: list[list[float]], table: Callable[[tuple[int, ...]], float], budget: int = 10_000) -> Search:
    row = np.zeros((1, len(costs)), np.float32)
    return Search(row, alternatives_of(costs), missing_by(table), reached, budget)


def test_one_change_that_does_it_is_taken_at_its_least_cost() -> None:
    search = search_of([[1.0, 2.0, 3.0], [2.5, 4.0]], lambda x: 1.0 - (x[0] >= 3) - (x[1] >= 1))
    assert search.run(3) == [-1, 0]
    assert (search.cost([-1, 0]), search.proven) == (2.5, 2)


def test_two_cheap_changes_are_preferred_to_a_dear_one() -> None:
    search = search_of([[1.0], [1.0], [9.0]], lambda x: 1.0 - 0.5 * x[0] - 0.5 * x[1] - x[2])
    assert search.run(3) == [0, 0, -1]


def test_none_is_found_where_nothing_does_it_and_everything_was_tried() -> None:
    search = search_of([[1.0, 2.0], [1.0]], lambda x: 1.0)
    assert search.run(3) is None
    assert (search.proven, search.rows) == (2, 1 + 3 + 2)


def test_without_anything_to_change_none_is_found() -> None:
    search = search_of([], lambda x: 1.0)
    assert (search.run(3), search.rows) == (None, 1)


def test_a_row_that_reaches_the_target_needs_no_search() -> None:
    with pytest.raises(Reached, match="reaches the target as it is"):
        search_of([[1.0]], lambda x: 0.0).run(1)


def test_no_more_features_are_changed_than_allowed() -> None:
    assert search_of([[1.0], [1.0], [1.0]], lambda x: 1.0 - 0.4 * sum(x)).run(2) is None


def test_a_small_budget_is_kept_and_what_it_did_not_prove_is_not_claimed() -> None:
    search = search_of([[float(cost) for cost in range(1, 9)]] * 4, lambda x: 20.0 - sum(x), budget=40)
    search.run(4)
    assert (search.proven, search.rows) == (1, 40)
    cut = search_of([[1.0, 2.0, 3.0]], lambda x: 1.0 - (x[0] >= 3), budget=3)
    assert (cut.run(1), cut.proven, cut.rows) == (None, 0, 3)


def test_changes_that_add_up_are_found_together_by_a_budget_far_below_all_combinations() -> None:
    costs = [[0.1 * step for step in range(1, 41)]] * 8  # 41^8 combinations
    search = search_of(costs, lambda x: 75.0 - sum(x), budget=4000)
    chosen = search.run(3)
    assert chosen is not None
    assert search.rows <= 4000
    assert search.cost(chosen) == pytest.approx(7.5)
    assert sum(pick >= 0 for pick in chosen) <= 3


def test_what_is_found_in_part_is_shaved_until_no_single_change_of_it_can_be_smaller() -> None:
    costs = [[1.0 + 0.01 * step for step in range(60)]] * 6

    def table(x: tuple[int, ...]) -> float:
        return 1.0 if x[0] < 17 or x[1] < 23 or x[2] < 5 else 0.0

    def gentle(x: tuple[int, ...]) -> float:  # something to go by: each feature alone helps a little
        return table(x) - 0.1 * ((x[0] >= 17) + (x[1] >= 23) + (x[2] >= 5)) * (table(x) > 0)

    search = search_of(costs, gentle, budget=3000)
    assert search.run(3) == [16, 22, 4, -1, -1, -1]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=4, unique=True), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
)
def test_where_the_budget_holds_everything_the_answer_is_the_cheapest_there_is(
    costs: list[list[int]], seed: int, most: int
) -> None:
    random = np.random.default_rng(seed)
    priced = [[0.1 * cost for cost in own] for own in costs]
    table = random.normal(0.9, 0.8, [len(own) + 1 for own in costs])
    table[(0,) * len(costs)] = 1.0
    search = search_of(priced, lambda x: float(table[x]))
    chosen = search.run(most)
    alternatives = alternatives_of(priced)
    cheapest = min(
        (
            sum(alternatives[place].costs[pick - 1] for place, pick in enumerate(picks) if pick)
            for picks in product(*[range(len(own) + 1) for own in costs])
            if table[picks] <= 0.0 and sum(pick > 0 for pick in picks) <= most
        ),
        default=None,
    )
    assert search.proven == min(most, len(costs))
    assert (None if chosen is None else pytest.approx(search.cost(chosen))) == cheapest


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_whatever_the_budget_the_answer_reaches_the_target_within_it_and_comes_again(seed: int, budget: int) -> None:
    random = np.random.default_rng(seed)
    costs = random.uniform(0.1, 3.0, (4, 6)).tolist()
    table = random.normal(1.0, 0.7, (7,) * 4)
    table[0, 0, 0, 0] = 1.0
    first, again = (search_of(costs, lambda x: float(table[x]), budget) for _ in range(2))
    chosen = first.run(3)
    assert chosen == again.run(3)
    assert first.rows == again.rows <= budget
    if chosen is not None:
        assert table[tuple(pick + 1 for pick in chosen)] <= 0.0
