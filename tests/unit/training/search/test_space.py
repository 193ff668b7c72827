from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from windvane.configs.schema import Training
from windvane.training.rows.examples import Examples
from windvane.training.search.space import PORTFOLIO, child_weight, default_settings, points


def examples(n: int, true: int) -> Examples:
    labels = np.arange(n) < true
    return Examples(
        pa.table({"n": np.arange(n)}), np.zeros((n, 1), np.float32), labels, np.arange(n, dtype=np.float64) * 3600.0
    )


LEARN = examples(48, 20)


def test_the_portfolio_comes_first_and_the_rest_is_drawn_the_same_for_the_same_seed() -> None:
    tried = points(LEARN, Training(trials=9))
    assert [each.max_depth for each in tried[:6]] == [each.max_depth for each in PORTFOLIO]
    assert tried == points(LEARN, Training(trials=9))
    assert tried[6:] != points(LEARN, Training(trials=9, seed=8))[6:]
    assert len(set(tried)) == 9


def test_every_window_is_tried_with_the_first_settings_whatever_the_trials() -> None:
    hour, hours = timedelta(hours=1), timedelta(hours=5)
    tried = points(LEARN, Training(trials=1, windows=("all", hour, hours)))
    assert [each.window for each in tried] == [None, hour, hours]
    assert points(LEARN, Training(trials=1)) == tried[:1]


@pytest.mark.parametrize(
    ("rows", "true", "weight"), [(40_000, 119, 0.356), (500, 175, 0.341), (48_000, 9_600, 23.04), (10**6, 500_000, 100)]
)
def test_a_leafs_weight_follows_rows_and_rate(rows: int, true: int, weight: float) -> None:
    assert child_weight(examples(rows, true), 0.003) == pytest.approx(weight)


def test_no_leaf_weighs_nothing() -> None:
    assert child_weight(examples(60, 5), 0.003) == 0.1


def test_the_default_never_grows_beyond_the_cap() -> None:
    assert default_settings(LEARN, Training(max_rounds=10)).rounds == 10
