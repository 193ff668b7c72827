import numpy as np
import pyarrow as pa
import pytest
import xgboost

from training.examples import Examples
from training.growth import Growth, log_losses, matrix
from training.settings import FitSettings

SETTINGS = FitSettings(max_depth=3, min_child_weight=1.0)


def rows(n: int) -> Examples:
    random = np.random.default_rng(4)
    drawn = random.normal(size=(n, 2)).astype(np.float32)
    labels = random.random(n) < 1 / (1 + np.exp(-3 * drawn[:, 0]))
    return Examples(pa.table({"n": np.arange(n)}), drawn, labels, np.arange(n, dtype=np.float64))


def test_grown_in_steps_is_fitted_at_once() -> None:
    learn, check = rows(400).before(300.0), rows(400).since(300.0)
    growth = Growth(SETTINGS, matrix(learn), xgboost.DMatrix(check.rows), check.labels, seed=7, threads=1)
    assert growth.best is None
    growth.step(5)
    growth.step(10)
    whole = xgboost.train(SETTINGS.booster_parameters(7, 1), matrix(learn), 15)
    losses = log_losses(whole.inplace_predict(check.rows), check.labels)
    assert growth.rounds == 15
    assert growth.log_loss == pytest.approx(losses.mean(), abs=1e-7)
    assert growth.best is not None
    assert growth.best.settings.rounds == 15
    assert growth.best.by_block == pytest.approx([block.mean() for block in np.array_split(losses, 14)], abs=1e-6)


def test_the_best_is_kept_when_more_rounds_make_it_worse() -> None:
    learn = rows(40)
    labels = ~learn.labels
    growth = Growth(SETTINGS, matrix(learn), xgboost.DMatrix(learn.rows), labels, seed=7, threads=1)
    growth.step(1)
    first = growth.best
    growth.step(1)
    assert growth.best is first
    assert growth.log_loss > first.log_loss  # type: ignore[union-attr]


def test_a_certainty_that_came_false_costs_16() -> None:
    assert log_losses(np.array([0.5, 1.0]), np.array([True, False])) == pytest.approx([np.log(2), 16.118], abs=1e-3)
