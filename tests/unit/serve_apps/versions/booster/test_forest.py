import json
import re
from typing import Any

import numpy as np
import pytest
import xgboost

from tests.worlds.forests import random_rows, trained
from windvane.cluster.errors import Malformed
from windvane.serve_apps.versions.booster.forest import Unsupported, read_forest
from windvane.serve_apps.versions.booster.ubjson import decode
from windvane.serve_apps.versions.treeshap.tables import build


def test_ubjson_reads_what_json_says() -> None:
    booster = trained(3, kinds=["c", "q", "q", "q", "q", "q"], max_cat_to_onehot=1, booster="dart", rate_drop=0.5)

    def plain(value: Any) -> Any:
        match value:
            case dict():
                return {name: plain(found) for name, found in value.items()}
            case list() | np.ndarray():
                return [plain(found) for found in value]
            case float() | np.floating():
                return float(np.float32(value))
            case np.integer():
                return int(value)
        return value

    assert plain(decode(bytes(booster.save_raw("ubj")))) == plain(json.loads(booster.save_raw("json")))


def test_ubjson_that_is_cut_anywhere_is_malformed() -> None:
    document = bytes(trained(3, rounds=1, max_depth=1).save_raw("ubj"))
    for size in range(len(document)):
        with pytest.raises(Malformed):
            decode(document[:size])


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"?", "Unknown UBJSON marker"),
        (b"[" * 100, "nests deeper"),
        (b"S" + b"d\x00\x00\x00\x00", "No length"),
        (b"Si\xff", "No length"),
        (b"[$S#i\x01", "cannot be read"),
        (b"Si\x01\xff", "is damaged"),
    ],
)
def test_what_is_not_ubjson_is_malformed(document: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        decode(document)


def test_ubjson_words_and_counted_containers() -> None:
    assert decode(b"[#i\x04ZTFCa") == [None, True, False, "a"]
    assert decode(b"{#i\x01i\x01aI\x01\x00") == {"a": 256}


@pytest.mark.parametrize(
    "objective",
    [
        "binary:logistic",
        "binary:logitraw",
        "binary:hinge",
        "reg:logistic",
        "reg:squarederror",
        "reg:squaredlogerror",
        "reg:absoluteerror",
        "reg:pseudohubererror",
        "reg:gamma",
        "reg:tweedie",
        "count:poisson",
        "survival:cox",
    ],
)
@pytest.mark.parametrize("base_score", [None, 0.3])
def test_the_base_value_is_the_boosters_for_every_objective(objective: str, base_score: float | None) -> None:
    booster = trained(3, rounds=1, max_depth=1, objective=objective, base_score=base_score)
    found = build(read_forest(bytes(booster.save_raw("ubj"))))[1]
    matrix = xgboost.DMatrix(random_rows(np.random.default_rng(1), 1, 6), nthread=1)
    wanted = booster.predict(matrix, pred_contribs=True)[0, -1]
    assert found.tolist() == pytest.approx([wanted], abs=1e-5)


def test_an_older_files_single_base_score_is_read_too() -> None:
    booster = trained(3, objective="binary:logistic", base_score=0.25)
    document = bytes(booster.save_raw("ubj"))
    assert b"[2.5E-1]" in document
    older = document.replace(b"SL\x00\x00\x00\x00\x00\x00\x00\x08[2.5E-1]", b"SL\x00\x00\x00\x00\x00\x00\x00\x062.5E-1")
    assert len(older) < len(document)
    assert read_forest(older).base.tolist() == read_forest(document).base.tolist()


def test_what_cannot_be_explained_says_why() -> None:
    linear = trained(3, booster="gblinear")
    vectors = vector_leaves()
    no_trees = trained(3, rounds=0)
    for booster, reason in (
        (linear, "'gblinear', not trees"),
        (vectors, "leaves hold vectors"),
        (no_trees, "no trees"),
    ):
        with pytest.raises(Unsupported, match=reason):
            read_forest(bytes(booster.save_raw("ubj")))


def vector_leaves() -> xgboost.Booster:
    random = np.random.default_rng(1)
    matrix = xgboost.DMatrix(random.normal(size=(50, 3)), random.normal(size=(50, 2)), nthread=1)
    settings = {"multi_strategy": "multi_output_tree", "tree_method": "hist", "max_depth": 2, "nthread": 1}
    return xgboost.train(settings, matrix, num_boost_round=1)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("objective", "name"), "reg:unheard-of", "'reg:unheard-of' turns base_score into a margin"),
        (("learner_model_param", "base_score"), "half", "not as xgboost 3 writes it"),
        (("learner_model_param", "num_feature"), "1", "split is on a feature that it does not declare"),
        (("tree", "left_children", 0), 0, "children do not stand behind it"),
        (("tree", "left_children", 0), 9999, "children do not stand behind it"),
        (("tree", "right_children", 0), -1, "children do not stand behind it"),
        (("tree", "right_children", 0), 1, "two parents"),
        (("tree", "sum_hessian", 0), 1e6, "not the sum of its children's"),
        (("tree", "sum_hessian", 1), float("nan"), "not the sum of its children's"),
        (("tree", "split_conditions", 0), float("-inf"), "minus infinity"),
        (("tree", "split_conditions", -1), float("inf"), "no finite number"),
        (("model", "tree_info"), [7], "belongs to no class"),
    ],
)
def test_a_file_that_no_trainer_writes_is_not_walked(
    path: tuple[Any, ...], value: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = decode(bytes(trained(3, rounds=1, objective="binary:logistic").save_raw("ubj")))
    learner = document["learner"]
    model = learner["gradient_booster"]["model"]
    places = {"tree": model["trees"][0], "model": model}
    place = places.get(path[0], learner.get(path[0]))
    for step in path[1:-1]:
        place = place[step]
    place[path[-1]] = value
    monkeypatch.setattr("windvane.serve_apps.versions.booster.forest.decode", lambda _: document)
    with pytest.raises(Unsupported, match=re.escape(reason)):
        read_forest(b"")
