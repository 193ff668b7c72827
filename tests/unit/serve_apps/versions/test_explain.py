import logging
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tests.worlds.forests import random_rows, trained
from windvane.cluster.encoding import Rows
from windvane.serve_apps.versions.explain import BoosterExplainer, QuadratureExplainer, load_explainer


@pytest.fixture
def rows() -> Rows:
    return random_rows(np.random.default_rng(1), 5, 6)


def saved(booster: xgboost.Booster, folder: Path) -> Path:
    booster.save_model(folder / "model.ubj")
    return folder / "model.ubj"


def test_both_explain_alike_and_add_up_to_the_log_odds(tmp_path: Path, rows: Rows) -> None:
    booster = trained(3, objective="binary:logistic")
    path = saved(booster, tmp_path)
    fast, slow = QuadratureExplainer(path).contributions(rows), BoosterExplainer(path).contributions(rows)
    assert fast.shape == (5, 7)
    assert fast.dtype == slow.dtype == np.float64
    assert fast == pytest.approx(slow, abs=1e-5)
    assert fast.sum(axis=1) == pytest.approx(booster.inplace_predict(rows, predict_type="margin"), abs=1e-4)


def test_the_quadrature_is_taken_where_it_can_be(tmp_path: Path, rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    booster = trained(3, objective="binary:logistic")
    with caplog.at_level(logging.INFO):
        explainer = load_explainer(saved(booster, tmp_path), rows, booster.inplace_predict(rows))
    assert isinstance(explainer, QuadratureExplainer)
    assert "are exact TreeSHAP by quadrature" in caplog.text


def test_a_booster_that_it_does_not_support_falls_back_and_says_why(
    tmp_path: Path, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    booster = trained(3, booster="gblinear", objective="binary:logistic")
    matrix = xgboost.DMatrix(rows, nthread=1)
    explainer = load_explainer(saved(booster, tmp_path), rows, booster.predict(matrix))
    assert isinstance(explainer, BoosterExplainer)
    assert "take pred_contribs, 2 to 3 ms a row: its booster is 'gblinear', not trees" in caplog.text
    margins = booster.predict(matrix, output_margin=True)
    assert explainer.contributions(rows).sum(axis=1) == pytest.approx(margins, abs=1e-4)


def test_contributions_that_miss_the_score_are_not_believed(
    tmp_path: Path, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    booster = trained(3, objective="binary:logistic")
    path = saved(booster, tmp_path)
    assert isinstance(load_explainer(path, rows, booster.inplace_predict(rows) + 0.01), BoosterExplainer)
    assert "its contributions miss the score" in caplog.text


def test_several_numbers_a_row_have_no_single_explanation(
    tmp_path: Path, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(trained(3, objective="multi:softprob", num_class=3), tmp_path)
    load_explainer(path, rows, np.full(5, 0.5))
    assert "it gives 3 numbers a row" in caplog.text
