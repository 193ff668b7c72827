"""The quality bench's own figures: what is within noise, and that its tables are what they say."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.quality.splits import folds
from benchmarks.quality.table import LABEL
from benchmarks.quality.verdict import Result, judge, verdict
from benchmarks.quality.worlds import trials, worlds

LABELS = np.arange(2000) % 4 == 0
EVERYBODY = np.full(2000, 0.25)


def result(ours: float, theirs: float, jitter: float = 0.0) -> Result:
    """Two models that give the right outcome these chances."""
    random = np.random.default_rng(1)
    right = {
        "windvane": np.clip(ours + jitter * random.normal(size=2000), 0.01, 0.99),
        "xgboost": np.full(2000, theirs),
        "logistic": np.full(2000, 0.5),
    }
    scores = {name: np.where(LABELS, each, 1 - each) for name, each in right.items()}
    return judge("t", LABELS, [scores], [EVERYBODY])


def test_a_rows_loss_is_its_mean_over_the_splits() -> None:
    lucky, unlucky = ({"windvane": np.full(4, each), "xgboost": np.full(4, 0.5)} for each in (0.5, 0.25))
    found = judge("t", np.ones(4, bool), [lucky, unlucky], [np.full(4, 0.5)] * 2)
    assert found.difference == pytest.approx(np.log(2) / 2)
    assert found.splits == 2


def test_the_difference_is_to_the_best_of_the_others_row_by_row() -> None:
    found = result(0.7, 0.8, jitter=0.05)
    assert found.best == "xgboost"
    assert found.difference == pytest.approx(np.log(0.8 / 0.7), abs=0.01)
    assert found.errors > 20
    assert found.base == pytest.approx(0.5623, abs=1e-3)


def test_one_surely_worse_table_misses_and_is_named() -> None:
    good, bad = result(0.8, 0.7, 0.05), result(0.7, 0.8, 0.05)
    assert verdict([good, good]) == (
        True,
        "HELD: 2 of 2 tables within noise of the best of three plain models "
        "(2.0 standard errors of the paired difference), 2 of them surely better",
    )
    held, said = verdict([good, bad])
    assert not held
    assert said.startswith("MISSED: 1 of 2")
    assert "surely worse: t by " in said


def test_of_many_tables_one_may_be_off_by_chance() -> None:
    close = replace(result(0.753, 0.75, 0.05), difference=2.5, error=1.0)
    assert not verdict([close])[0]
    assert verdict([close] * 39)[0]
    assert not verdict([replace(close, difference=3.1)] * 39)[0]


def test_a_difference_that_may_be_chance_is_within_noise() -> None:
    assert result(0.753, 0.75, jitter=0.05).within_noise


def test_folds_have_their_share_of_both_outcomes() -> None:
    fold = folds(LABELS, seed=3)
    assert [int((fold[LABELS] == number).sum()) for number in range(3)] == [167, 167, 166]
    assert folds(LABELS, seed=4).tolist() != fold.tolist()


def test_worlds_are_those_of_their_seed() -> None:
    first, again, other = (next(iter(worlds(seed, 1))).rows for seed in (5, 5, 6))
    assert first.equals(again)
    assert not first.equals(other)


def test_the_trials_are_what_they_are_called() -> None:
    made = {table.name.removeprefix("made/"): table.rows.column(LABEL).to_numpy() for table in trials(2)}
    assert {name: len(labels) for name, labels in made.items()} == {
        "ok": 3000,
        "sorted": 3000,
        "rare": 40_000,
        "small": 500,
        "noise": 2000,
    }
    assert made["sorted"].tolist() == sorted(made["ok"].tolist())
    assert 60 < made["rare"].sum() < 200
