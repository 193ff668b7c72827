import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.forests import apart, made_up, random_rows, trained
from windvane.serve_apps.versions.booster.forest import Forest, read_forest
from windvane.serve_apps.versions.treeshap.kernel import BLOCKS, FLUSH
from windvane.serve_apps.versions.treeshap.lanes import LANES
from windvane.serve_apps.versions.treeshap.quadrature import Quadrature

CLOSE = 1e-5  # of the contributions' scale; the promise is 1e-4


def forest_of(booster: xgboost.Booster) -> Forest:
    return read_forest(bytes(booster.save_raw("ubj")))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    features=st.sampled_from([1, 2, 3, 7, 40, 200]),
    trees=st.integers(1, 4),
    depth=st.integers(1, 6),
    rows=st.integers(1, 2 * LANES + 1),
)
def test_made_up_trees_are_explained_as_pred_contribs_does(
    seed: int, features: int, trees: int, depth: int, rows: int
) -> None:
    booster = made_up(seed, features=features, trees=trees, depth=depth)
    assert apart(booster, random_rows(np.random.default_rng(seed), rows, features)) < CLOSE


@pytest.mark.parametrize(
    ("features", "trees", "depth"), [(2, 2, 12), (40, 1, 12), (3, 500, 1), (3, 3 * FLUSH + 1, 2), (200, 2, 6)]
)
def test_the_extremes_too(features: int, trees: int, depth: int) -> None:
    booster = made_up(7, features=features, trees=trees, depth=depth)
    assert apart(booster, random_rows(np.random.default_rng(7), 3, features)) < CLOSE


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "binary:logistic", "max_depth": 8},
        {"objective": "reg:squarederror", "base_score": 1e3},
        {"objective": "multi:softprob", "num_class": 4},
        {"booster": "dart", "rate_drop": 0.5, "objective": "binary:logistic", "rounds": 12},
        {"booster": "dart", "rate_drop": 0.5, "objective": "multi:softprob", "num_class": 3},
        {"num_parallel_tree": 4, "subsample": 0.5, "objective": "binary:logistic"},
        {"grow_policy": "lossguide", "max_leaves": 30, "max_depth": 0},
        {"kinds": ["c", "q", "c", "q", "c", "q"], "max_cat_to_onehot": 1, "objective": "binary:logistic"},
        {"kinds": ["c", "c", "c", "c", "c", "c"], "max_cat_to_onehot": 20},
        {"gamma": 1e9, "objective": "binary:logistic"},
        {"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.8]},
        {"objective": "multi:softprob", "num_class": 3, "max_depth": 1, "tree_method": "exact"},
    ],
    ids=str,
)
def test_trained_boosters_of_every_kind_are_explained_as_pred_contribs_does(options: dict[str, Any]) -> None:
    kinds = options.get("kinds")
    rows = random_rows(np.random.default_rng(1), 13, 6, kinds)
    assert apart(trained(3, **options), rows) < CLOSE


def test_a_category_that_no_split_knows_goes_where_the_booster_sends_it() -> None:
    booster = trained(3, features=1, kinds=["c"], max_cat_to_onehot=1)
    rows = np.array([[0], [11], [31], [32], [64], [1000], [np.nan]], np.float32)
    assert apart(booster, rows) < CLOSE


def test_categories_of_several_words_go_where_the_booster_sends_them() -> None:
    booster = trained(3, features=2, rows=3000, kinds=["c", "c"], categories=70, max_cat_to_onehot=1)
    words = read_forest(bytes(booster.save_raw("ubj"))).categories
    assert (words >> 31).any()
    assert len(words) > len(booster.get_dump()) * 2
    every = np.arange(70, dtype=np.float32)
    assert apart(booster, np.stack([every, every[::-1]], axis=1)) < CLOSE


def test_any_number_of_rows_gives_each_row_what_it_gets_alone() -> None:
    explained = Quadrature(forest_of(trained(5, objective="binary:logistic")))
    rows = random_rows(np.random.default_rng(5), BLOCKS * LANES + LANES + 3, 6)
    alone = np.concatenate([explained.contributions(row[None, :]) for row in rows])
    for n in (0, 1, LANES - 1, LANES, LANES + 1, BLOCKS * LANES, BLOCKS * LANES + 1, len(rows)):
        assert explained.contributions(rows[:n]).tolist() == alone[:n].tolist()


def test_rows_may_come_in_any_layout_and_stay_as_they_are() -> None:
    explained = Quadrature(forest_of(trained(5)))
    rows = random_rows(np.random.default_rng(5), 9, 6)
    wanted = explained.contributions(rows).tolist()
    shut = rows.copy()
    shut.setflags(write=False)
    layouts: tuple[Any, ...] = (
        np.asfortranarray(rows),
        np.repeat(rows, 2, axis=1)[:, ::2],
        shut,
        rows.astype(np.float64),
    )
    for same in layouts:
        assert explained.contributions(same).tolist() == wanted
    with pytest.raises(ValueError, match=r"Rows of shape \(9, 5\) do not have the booster's 6 features"):
        explained.contributions(rows[:, :5])


def test_threads_do_not_meet() -> None:
    explained = Quadrature(forest_of(trained(5, rounds=30)))
    parts = [random_rows(np.random.default_rng(seed), 40, 6) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(explained.contributions, parts))
    assert [found.tolist() for found in together] == [explained.contributions(part).tolist() for part in parts]


def test_below_a_cover_of_zero_the_numbers_stay_finite_and_add_up() -> None:
    forest = forest_of(made_up(11, features=3, trees=6, depth=5))
    cover = forest.cover.copy()
    split = forest.roots[forest.left[forest.roots] >= 0]
    unseen = forest.left[split].tolist()  # all that lies left of the roots
    assert len(unseen) > 3
    while unseen:
        node = unseen.pop()
        cover[node] = 0.0
        unseen += [int(child) for child in (forest.left[node], forest.right[node]) if child >= 0]
    cover[split] = cover[forest.right[split]]
    emptied = Quadrature(replace(forest, cover=cover))
    rows = random_rows(np.random.default_rng(1), 20, 3)
    rows[:, 0] = np.linspace(-3, 3, 20)
    found, before = emptied.contributions(rows), Quadrature(forest).contributions(rows)
    assert np.isfinite(found).all()
    assert found.sum(axis=2) == pytest.approx(before.sum(axis=2), abs=1e-5)


def test_one_tree_is_explained_as_shapley_defined_it() -> None:
    """Every coalition by hand: known features go the row's way, the others both ways by cover."""
    forest = forest_of(made_up(25, features=4, trees=1, depth=6))
    row = np.array([0.3, -0.8, np.nan, 0.1], np.float32)

    def expected(known: tuple[int, ...], node: int) -> float:
        left, right = forest.left[node], forest.right[node]
        if left < 0:
            return float(forest.value[node])
        feature = int(forest.feature[node])
        if feature in known:
            missing = np.isnan(row[feature])
            goes_left = forest.missing_left[node] if missing else row[feature] < forest.threshold[node]
            return expected(known, left if goes_left else right)
        part = forest.cover[left] / forest.cover[node]
        return float(part * expected(known, left) + (1.0 - part) * expected(known, right))

    assert len(forest.left) > 30
    found = Quadrature(forest).contributions(row[None, :])[0, 0]
    assert found[0] == pytest.approx(forest.base[0] + expected((), 0), abs=1e-6)
    assert found[1:] == pytest.approx([shapley(expected, feature, 4) for feature in range(4)], abs=1e-6)


def shapley(expected: Callable[[tuple[int, ...], int], float], feature: int, features: int) -> float:
    others = [other for other in range(features) if other != feature]
    total = 0.0
    for size in range(features):
        weight = 1.0 / (features * math.comb(features - 1, size))
        for known in combinations(others, size):
            total += weight * (expected((*known, feature), 0) - expected(known, 0))
    return total
