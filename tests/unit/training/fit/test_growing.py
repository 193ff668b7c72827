from typing import Literal

import numpy as np
import pyarrow as pa
import pytest

from windvane.training.fit.growing import grown, lines_of
from windvane.training.fit.settings import FitSettings
from windvane.training.rows.examples import Examples


def rows(n: int = 3000, seed: int = 4) -> Examples:
    random = np.random.default_rng(seed)
    drawn = random.normal(size=(n, 3)).astype(np.float32)
    labels = random.random(n) < 1 / (1 + np.exp(-2 * drawn[:, 0] + drawn[:, 1]))
    return Examples(pa.table({"n": np.arange(n)}), drawn, labels, np.arange(n, dtype=np.float64))


def test_the_first_trees_say_what_the_logistic_regression_says() -> None:
    examples = rows()
    lines = lines_of(FitSettings(), examples)
    assert lines is not None
    booster = grown(FitSettings(rounds=0), examples, 7, 1)
    said = booster.inplace_predict(examples.rows, predict_type="margin")
    straight = lines.linear.intercept + lines.linear.terms(examples.rows).sum(axis=1)
    assert booster.num_boosted_rounds() == len(lines.told)
    assert np.sqrt(np.mean((said - straight) ** 2)) < 0.15
    assert np.corrcoef(said, straight)[0, 1] > 0.998


def test_a_feature_without_a_part_gets_no_tree() -> None:
    examples = rows()
    examples.rows[:, 2] = 1.0
    lines = lines_of(FitSettings(), examples)
    assert lines is not None
    assert lines.told == (0, 1)


@pytest.mark.parametrize("start", ["none", "linear"])
def test_a_booster_has_a_tree_even_where_nothing_is_to_be_learnt(start: Literal["none", "linear"]) -> None:
    examples = rows(200)
    examples.rows[:] = 1.0
    settings = FitSettings(start=start, rounds=0)
    assert grown(settings, examples, 7, 1).num_boosted_rounds() == 1


def test_from_nothing_there_are_no_lines() -> None:
    assert lines_of(FitSettings(start="none"), rows(100)) is None


@pytest.mark.parametrize("rounds", [0, 40])
def test_a_number_beyond_all_that_was_learnt_from_scores_as_the_last_that_was(rounds: int) -> None:
    examples = rows()
    booster = grown(FitSettings(rounds=rounds), examples, 7, 1)
    ends = np.array([examples.rows.min(axis=0), examples.rows.max(axis=0)])
    beyond = np.array([[-1e6] * 3, [1e6] * 3], np.float32)
    assert booster.inplace_predict(beyond).tolist() == booster.inplace_predict(ends).tolist()


def test_two_numbers_that_cancel_out_stay_bounded_when_one_leaves_the_other() -> None:
    random = np.random.default_rng(6)
    drawn = random.normal(size=(4000, 2)).astype(np.float32)
    drawn[:, 1] = drawn[:, 0] + 0.3 * drawn[:, 1]  # as the dew point goes with the temperature
    labels = random.random(4000) < 1 / (1 + np.exp(-4 * (drawn[:, 0] - drawn[:, 1])))
    examples = Examples(pa.table({"n": np.arange(4000)}), drawn, labels, np.arange(4000, dtype=np.float64))
    lines = lines_of(FitSettings(), examples)
    assert lines is not None
    booster = grown(FitSettings(rounds=0), examples, 7, 1)
    apart = booster.inplace_predict(np.array([[50.0, -50.0]], np.float32), predict_type="margin")
    longest = np.abs(lines.linear.terms(examples.rows)).max(axis=0).sum()
    inner = np.quantile(np.abs(drawn[:, 0]), 0.95)
    assert longest < 4 * 2 * inner * 1.3
    assert abs(apart[0]) <= longest + abs(lines.linear.intercept)
