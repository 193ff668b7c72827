from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.forests import made_up, random_rows, trained
from windvane.serve_apps.versions.booster.forest import Forest, Unsupported, read_forest
from windvane.serve_apps.versions.predictor import trial_rows
from windvane.serve_apps.versions.treewalk.kernel import BLOCK
from windvane.serve_apps.versions.treewalk.nodes import LANES, MOST, pack
from windvane.serve_apps.versions.treewalk.walk import Walk

LARGEST = np.finfo(np.float32).max


def forest_of(booster: xgboost.Booster) -> Forest:
    return read_forest(bytes(booster.save_raw("ubj")))


def margins_of(booster: xgboost.Booster, rows: np.ndarray) -> Any:
    """Margins of xgboost, as close as its sums in float32 are to the exact ones."""
    kinds = booster.feature_types
    matrix = xgboost.DMatrix(rows, feature_types=kinds, enable_categorical=kinds is not None, nthread=1)
    return pytest.approx(booster.predict(matrix, output_margin=True), rel=1e-5, abs=1e-5)


def hard_rows(forest: Forest) -> np.ndarray:
    """Limits, their neighbours, zeros of both signs and missing values; xgboost's matrices take no infinite ones."""
    return np.clip(trial_rows(forest), -LARGEST, LARGEST)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    features=st.sampled_from([1, 2, 3, 7, 40, 200]),
    trees=st.integers(1, 2 * LANES + 1),
    depth=st.integers(1, 12),
)
def test_made_up_trees_give_xgboosts_margins_for_any_row(seed: int, features: int, trees: int, depth: int) -> None:
    booster = made_up(seed, features=features, trees=trees if depth < 8 else 2, depth=depth)
    forest = forest_of(booster)
    for rows in (hard_rows(forest)[:50], random_rows(np.random.default_rng(seed), 20, features)):
        assert Walk(forest).margins(rows) == margins_of(booster, rows)


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "binary:logistic", "max_depth": 8},
        {"objective": "binary:logistic", "base_score": 0.1},
        {"objective": "reg:squarederror", "base_score": 1e3},
        {"objective": "binary:logistic", "gamma": 1e9},  # nothing but roots
        {"booster": "dart", "rate_drop": 0.5, "objective": "binary:logistic", "rounds": 12},
        {"num_parallel_tree": 4, "subsample": 0.5, "objective": "binary:logistic"},
        {"grow_policy": "lossguide", "max_leaves": 60, "max_depth": 0, "objective": "binary:logistic"},
        {"kinds": ["c", "q", "c", "q", "c", "q"], "max_cat_to_onehot": 1, "objective": "binary:logistic"},
        {"kinds": ["c", "c", "c", "c", "c", "c"], "max_cat_to_onehot": 20, "objective": "binary:logistic"},
    ],
    ids=str,
)
def test_trained_boosters_of_every_kind_give_xgboosts_margins(options: dict[str, Any]) -> None:
    booster = trained(3, **options)
    forest = forest_of(booster)
    rows = random_rows(np.random.default_rng(4), 300, 6, options.get("kinds"))
    assert Walk(forest).margins(rows) == margins_of(booster, rows)
    if "kinds" not in options:
        rows = hard_rows(forest)
        assert Walk(forest).margins(rows) == margins_of(booster, rows)


def test_no_category_is_mistaken_for_another() -> None:
    booster = trained(3, kinds=["c", "c", "q", "q", "q", "q"], max_cat_to_onehot=1, objective="binary:logistic")
    codes = np.array([*range(70), 1e6, 2**24 - 1, np.nan], np.float32)
    rows = np.zeros((len(codes), 6), np.float32)
    for place in (0, 1):
        rows[:, place] = codes
        assert Walk(forest_of(booster)).margins(rows) == margins_of(booster, rows)


def test_an_infinite_value_goes_where_the_largest_does_and_not_where_a_missing_one_does() -> None:
    forest = forest_of(made_up(5, features=3, trees=20, depth=6))
    rows = random_rows(np.random.default_rng(5), 200, 3)
    infinite = np.random.default_rng(6).random(rows.shape) < 0.3
    signs = np.where(rows > 0, np.float32(1), np.float32(-1))
    walk = Walk(forest)
    largest = walk.margins(np.where(infinite, signs * LARGEST, rows).astype(np.float32))
    assert walk.margins(np.where(infinite, signs * np.inf, rows).astype(np.float32)).tolist() == largest.tolist()
    missing = walk.margins(np.where(infinite, np.nan, rows).astype(np.float32))
    assert (missing != largest).mean() > 0.5


def test_a_row_scores_alike_alone_among_others_and_in_any_thread() -> None:
    forest = forest_of(trained(3, objective="binary:logistic", rounds=20))
    walk = Walk(forest)
    rows = random_rows(np.random.default_rng(1), 2 * BLOCK + 5, 6)
    together = walk.probabilities(rows).tolist()
    with ThreadPoolExecutor(4) as threads:
        alone = list(threads.map(lambda place: float(walk.probabilities(rows[place : place + 1])[0]), range(len(rows))))
    assert alone == together
    assert walk.margins(rows[:0]).shape == (0,)


def test_probabilities_are_the_margins_and_never_leave_their_bounds() -> None:
    forest = forest_of(trained(3, objective="binary:logistic"))
    rows = random_rows(np.random.default_rng(1), 9, 6)
    margins = Walk(forest).margins(rows)
    assert Walk(forest).probabilities(rows) == pytest.approx(1 / (1 + np.exp(-margins)), rel=1e-12)
    for value, wanted in ((1e30, 1.0), (-1e30, 0.0)):
        certain = replace(forest, value=np.full_like(forest.value, value))
        assert Walk(certain).probabilities(rows).tolist() == [wanted] * 9


@pytest.mark.parametrize(
    "view",
    [
        lambda rows: rows.astype(np.float64),
        np.asfortranarray,
        lambda rows: np.repeat(rows, 2, axis=0)[::2],
        lambda rows: np.frombuffer(rows.tobytes(), np.float32).reshape(rows.shape),  # read only
    ],
)
def test_rows_may_lie_in_memory_as_they_like(view: Callable[[np.ndarray], np.ndarray]) -> None:
    walk = Walk(forest_of(trained(3, objective="binary:logistic")))
    rows = random_rows(np.random.default_rng(1), 7, 6)
    assert walk.margins(view(rows)).tolist() == walk.margins(rows).tolist()


def test_rows_of_another_width_are_refused() -> None:
    walk = Walk(forest_of(trained(3)))
    for shape in ((2, 5), (6,)):
        with pytest.raises(ValueError, match="do not have the booster's 6 features"):
            walk.margins(np.zeros(shape, np.float32))


def test_several_numbers_a_row_are_not_walked() -> None:
    with pytest.raises(Unsupported, match="it gives 3 numbers a row"):
        Walk(forest_of(trained(3, objective="multi:softprob", num_class=3)))


def test_what_two_bytes_do_not_hold_is_not_walked() -> None:
    forest = forest_of(trained(3))
    assert pack(replace(forest, features=MOST // 2 - 1)).columns == MOST - 1
    with pytest.raises(Unsupported, match="65,536 columns"):
        pack(replace(forest, features=MOST))
    assert pack(full_tree(16)).packed["ahead"].max() == MOST - 1
    with pytest.raises(Unsupported, match="as many nodes"):
        pack(full_tree(17))


def full_tree(depth: int) -> Forest:
    nodes, splits = 2 ** (depth + 1) - 1, 2**depth - 1
    places = np.arange(nodes, dtype=np.int32)
    inner = places < splits
    return Forest(
        features=1,
        objective="reg:squarederror",
        groups=1,
        base=np.zeros(1),
        roots=np.zeros(1, np.int32),
        group=np.zeros(1, np.int32),
        left=np.where(inner, 2 * places + 1, -1).astype(np.int32),
        right=np.where(inner, 2 * places + 2, -1).astype(np.int32),
        feature=np.zeros(nodes, np.int32),
        threshold=np.zeros(nodes, np.float32),
        missing_left=np.zeros(nodes, np.bool_),
        value=np.zeros(nodes),
        cover=np.ones(nodes),
        category_start=np.full(nodes, -1, np.int32),
        category_words=np.zeros(nodes, np.int32),
        categories=np.zeros(1, np.uint32),
    )
