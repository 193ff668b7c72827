from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest

from windvane.serve_apps.versions.explain import load_explainer
from windvane.training.fit.growing import grown
from windvane.training.fit.settings import FitSettings
from windvane.training.fit.unseen_categories import with_unknowns
from windvane.training.rows.examples import Examples


def examples(n: int = 4000, codes: tuple[int, ...] = (2, 3, 4)) -> Examples:
    random = np.random.default_rng(4)
    rows = np.column_stack([random.normal(size=n), random.choice(codes, n)]).astype(np.float32)
    labels = random.random(n) < np.array([0, 0.5, 0.05, 0.5, 0.95])[rows[:, 1].astype(int)]
    return Examples(pa.table({"n": np.arange(n)}), rows, labels, np.arange(n, dtype=np.float64), frozenset({1}))


def test_one_row_in_two_hundred_is_learnt_from_once_more_without_its_category() -> None:
    taught = with_unknowns(examples())
    assert taught.rows[:4000].tolist() == examples().rows.tolist()
    assert taught.rows[4000:, 1].tolist() == [1.0] * 20
    assert len(taught.labels) == len(taught.times) == 4020


def test_rows_that_have_unknowns_teach_by_themselves() -> None:
    own = examples(codes=(1, 2, 3, 4))
    assert with_unknowns(own) is own


def test_an_unknown_category_scores_as_rows_do_on_average() -> None:
    for start in ("linear", "none"):
        booster = grown(FitSettings(start=start, rounds=60), examples(), 7, 1)
        known = booster.inplace_predict(np.array([[0, 2], [0, 4]], np.float32))
        unknown = float(booster.inplace_predict(np.array([[0, 1]], np.float32))[0])
        assert known[0] < 0.15
        assert known[1] > 0.85
        assert 0.2 < unknown < 0.8


@pytest.mark.parametrize("start", ["linear", "none"])
def test_an_unknown_category_weighs_nothing_in_an_explanation(tmp_path: Path, start: Literal["linear", "none"]) -> None:
    booster = grown(FitSettings(start=start, rounds=60), examples(), 7, 1)
    booster.save_model(tmp_path / "model.ubj")
    rows = np.array([[0, 1], [0, 2], [0, 4]], np.float32)
    explainer = load_explainer(tmp_path / "model.ubj", rows, booster.inplace_predict(rows).astype(np.float64))
    unknown, rare, frequent = explainer.contributions(rows)[:, 2]
    assert rare < -2.0
    assert frequent > 2.0
    assert abs(unknown) < 0.1
