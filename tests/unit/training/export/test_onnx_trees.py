"""Splits by category in ONNX: the same scores as the booster's, whatever stands in the row."""

import numpy as np
import onnxruntime
import pytest
import xgboost

from windvane.cluster.bundle import ONNX_INPUT
from windvane.training.export.onnx_trees import has_categories, to_tree_ensemble

KINDS = {"feature_types": ["float", "c", "c"], "enable_categorical": True}


def fitted(kinds: int) -> tuple[xgboost.Booster, np.ndarray]:
    random = np.random.default_rng(kinds)
    codes = (random.integers(0, 2 + kinds, 3000), random.integers(2, 7, 3000))
    rows = np.column_stack([random.normal(size=3000), *codes]).astype(np.float32)
    rows[random.random(3000) < 0.1, 0] = np.nan
    margin = np.nan_to_num(rows[:, 0]) * random.normal(size=kinds + 2)[codes[0]] + (codes[1] == 3)
    labels = random.random(3000) < 1 / (1 + np.exp(-margin))
    parameters = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}
    return xgboost.train(parameters, xgboost.DMatrix(rows, labels, nthread=1, **KINDS), 12), rows


@pytest.mark.parametrize("kinds", [2, 12, 70])
def test_scores_are_the_boosters_for_known_unknown_missing_and_impossible_categories(kinds: int) -> None:
    booster, rows = fitted(kinds)
    rows[:200, 1] = 1
    rows[200:400, 2] = 40
    rows[400:500, 1:] = np.nan
    rows[500:600, 0] = np.nan
    assert has_categories(booster)
    session = onnxruntime.InferenceSession(to_tree_ensemble(booster, 3), providers=["CPUExecutionProvider"])
    label, chances = session.run(None, {ONNX_INPUT: rows})
    assert chances[:, 1] == pytest.approx(booster.inplace_predict(rows), abs=1e-6)
    assert label.tolist() == (chances[:, 1] > 0.5).astype(int).tolist()


def test_a_booster_of_numbers_has_none() -> None:
    rows = np.arange(40, dtype=np.float32)[:, None]
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, rows[:, 0] > 7, nthread=1), 2)
    assert not has_categories(booster)
