from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest

from windvane.training.fit.growing import grown
from windvane.training.fit.growth import Fold, Folds, Growth, log_losses
from windvane.training.fit.settings import FitSettings
from windvane.training.rows.examples import Examples

PLAIN = FitSettings(start="none", max_depth=3, min_child_weight=1.0)


def rows(n: int) -> Examples:
    random = np.random.default_rng(4)
    drawn = random.normal(size=(n, 2)).astype(np.float32)
    labels = random.random(n) < 1 / (1 + np.exp(-3 * drawn[:, 0]))
    return Examples(pa.table({"n": np.arange(n)}), drawn, labels, np.arange(n, dtype=np.float64))


ROWS = rows(400)
LEARN, CHECK = ROWS.before(300.0), ROWS.since(300.0)


@pytest.mark.parametrize("start", ["none", "linear"])
def test_grown_in_steps_is_fitted_at_once(start: Literal["none", "linear"]) -> None:
    settings = FitSettings(start=start, max_depth=2, min_child_weight=1.0, rounds=5)
    growth = Growth(settings, Folds([Fold(LEARN, CHECK)], seed=7, threads=1))
    growth.step(2)
    growth.step(3)
    losses = log_losses(grown(settings, LEARN, 7, 1).inplace_predict(CHECK.rows), CHECK.labels)
    assert growth.rounds == 5
    assert growth.log_loss == pytest.approx(losses.mean(), abs=1e-7)


def test_a_linear_start_is_looked_at_before_any_round_and_nothing_is_not() -> None:
    folds = Folds([Fold(LEARN, CHECK)], seed=7, threads=1)
    assert Growth(PLAIN, folds).best is None
    best = Growth(FitSettings(), folds).best
    assert best is not None
    assert best.settings.rounds == 0


def test_every_row_left_out_of_a_fold_counts_once() -> None:
    growth = Growth(PLAIN, Folds([Fold(LEARN, CHECK), Fold(CHECK, LEARN)], seed=7, threads=1))
    growth.step(4)
    fitted = [grown(replace(PLAIN, rounds=4), part, 7, 1) for part in (LEARN, CHECK)]
    losses = [
        log_losses(booster.inplace_predict(part.rows), part.labels)
        for booster, part in zip(fitted, (CHECK, LEARN), strict=True)
    ]
    assert growth.log_loss == pytest.approx(np.concatenate(losses).mean(), abs=1e-7)


def test_the_best_is_kept_when_more_rounds_make_it_worse_until_they_are_hopeless() -> None:
    upside_down = Examples(LEARN.table, LEARN.rows, ~LEARN.labels, LEARN.times)
    growth = Growth(PLAIN, Folds([Fold(LEARN, upside_down)], seed=7, threads=1))
    growth.step(1)
    first = growth.best
    assert first is not None
    assert not growth.hopeless(None)
    growth.step(60)
    assert growth.best is first
    assert growth.hopeless(None)


def test_a_setting_too_slow_to_come_up_to_another_is_given_up() -> None:
    growth = Growth(PLAIN, Folds([Fold(LEARN, CHECK)], seed=7, threads=1))
    for _ in range(5):
        growth.step(10)
    best = growth.best
    assert best is not None
    assert growth.hopeless(type(best)(PLAIN, -9.0))


def test_a_certainty_that_came_false_costs_16() -> None:
    assert log_losses(np.array([0.5, 1.0]), np.array([True, False])) == pytest.approx([np.log(2), 16.118], abs=1e-3)


def _fields(settings: FitSettings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}
