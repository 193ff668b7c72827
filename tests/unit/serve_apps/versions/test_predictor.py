import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.worlds.bundles import make_bundle, make_rows
from tests.worlds.forests import trained
from windvane.cluster.bundle import Bundle
from windvane.serve_apps.versions.booster.forest import Forest, read_forest
from windvane.serve_apps.versions.predictor import TRIALS, ForestPredictor, OnnxPredictor, load_predictor, trial_rows


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(make_bundle(tmp_path, 1))


def test_the_trees_are_walked_where_they_prove_to_score_as_onnx_runtime_does(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        predictor = load_predictor(bundle)
    assert isinstance(predictor, ForestPredictor)
    assert "are walked; on 1024 rows ONNX Runtime's are" in caplog.text
    rows = make_rows(500, 2)
    found, wanted = predictor.probabilities(rows), OnnxPredictor(bundle.onnx_path).probabilities(rows)
    assert found.dtype == wanted.dtype == np.float64
    assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"booster": "gblinear", "objective": "binary:logistic"}, "its booster is 'gblinear', not trees"),
        ({"objective": "multi:softprob", "num_class": 3}, "how 'multi:softprob' turns margins into probabilities"),
        ({"objective": "binary:hinge"}, "how 'binary:hinge' turns margins into probabilities"),
        ({"objective": "binary:logistic", "features": 4}, "it takes 4 features, and 5 are declared"),
        ({"objective": "binary:logistic"}, "its trees and the ONNX model differ by"),
    ],
    ids=str,
)
def test_what_cannot_be_walked_is_scored_by_onnx_runtime_and_the_log_says_why(
    bundle: Bundle, caplog: pytest.LogCaptureFixture, options: dict[str, Any], reason: str
) -> None:
    wanted = OnnxPredictor(bundle.onnx_path).probabilities(make_rows(9, 2))
    trained(3, **({"features": 5} | options)).save_model(bundle.booster_path)
    predictor = load_predictor(bundle)
    assert isinstance(predictor, OnnxPredictor)
    assert "take ONNX Runtime, about 10 us a row: " + reason in caplog.text
    assert predictor.probabilities(make_rows(9, 2)).tolist() == wanted.tolist()


def one_leaf_more(forest: Forest) -> Forest:
    leaf = int(np.flatnonzero(forest.left < 0)[-1])
    return replace(forest, value=forest.value + 1e-4 * (np.arange(len(forest.value)) == leaf))


def at_most_for_below(forest: Forest) -> Forest:
    return replace(forest, threshold=np.nextafter(forest.threshold, np.float32(np.inf)))


def missing_the_other_way(forest: Forest) -> Forest:
    return replace(forest, missing_left=~forest.missing_left)


@pytest.mark.parametrize("changed", [one_leaf_more, at_most_for_below, missing_the_other_way])
def test_the_smallest_misreading_of_the_trees_is_noticed(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, changed: Callable[[Forest], Forest]
) -> None:
    monkeypatch.setattr(
        "windvane.serve_apps.versions.predictor.read_forest", lambda document: changed(read_forest(document))
    )
    assert isinstance(load_predictor(bundle), OnnxPredictor)


def test_the_rows_tried_stand_on_the_limits_and_beside_them(bundle: Bundle) -> None:
    forest = read_forest(bundle.booster_path.read_bytes())
    rows = trial_rows(forest)
    assert rows.shape == (TRIALS, 5)
    assert rows.dtype == np.float32
    assert rows.tobytes() == trial_rows(forest).tobytes()
    assert np.isnan(rows).any()
    assert np.isinf(rows).any()
    limits = forest.threshold[(forest.left >= 0) & (forest.feature == 1)]
    assert len(limits) > 5
    for near in (limits, np.nextafter(limits, np.float32(-np.inf)), np.nextafter(limits, np.float32(np.inf))):
        assert np.isin(near, rows[:, 1]).mean() > 0.9
