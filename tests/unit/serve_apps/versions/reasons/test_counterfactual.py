from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from tests.worlds.bundles import SPEC, make_rows
from windvane.cluster.decision_log.grounds import Counterfactual, FeatureChange, NoneFound
from windvane.cluster.decision_log.record import Value
from windvane.cluster.encoding import Encoder, Rows
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.profile import Profile
from windvane.serve_apps.versions.booster.forest import Forest, read_forest
from windvane.serve_apps.versions.reasons.counterfactual import Counterfactuals, none_within, would_have
from windvane.serve_apps.versions.reasons.search import Reached
from windvane.serve_apps.versions.thresholds import Thresholds

RECORD: tuple[Value, ...] = (12.0, 1500.0, 3, True, "EWR")


def spec_of(explanation: dict[str, Any], **mutable: Any) -> ModelSpec:
    """`trips` with a warning that is adverse, and what may be changed of a trip."""
    document = SPEC.model_dump(mode="json")
    for feature in document["features"]:
        feature["mutable"] = mutable.get(feature["name"], False)
        feature["reason"] = {"raises": feature["name"]}
    document["decision"]["actions"][1]["adverse"] = True
    return ModelSpec.model_validate({**document, "explanation": {"counterfactual": True, **explanation}})


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    rows = make_rows(600, 1)
    labels = (rows[:, 1] / 800 + 2.0 * rows[:, 3] + np.random.default_rng(1).normal(0, 1, 600)) > 1.5
    parameters = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1, "seed": 1}
    return xgboost.train(parameters, xgboost.DMatrix(rows, labels, nthread=1), num_boost_round=12)


@pytest.fixture(scope="module")
def forest(booster: xgboost.Booster) -> Forest:
    return read_forest(bytes(booster.save_raw("ubj")))


@pytest.fixture(scope="module")
def profile(booster: xgboost.Booster) -> Profile:
    rows = make_rows(600, 1)
    return Profile.learn(SPEC.features, rows, booster.inplace_predict(rows), rows[:, 3] > 0)


@pytest.fixture(scope="module")
def score(booster: xgboost.Booster) -> Callable[[Rows], NDArray[np.float64]]:
    return lambda rows: booster.inplace_predict(rows).astype(np.float64)


def test_the_answer_names_what_changes_and_what_the_model_says_of_it(forest: Any, score: Any, profile: Any) -> None:
    spec = spec_of({}, distance="decrease", night="decrease")
    found = Counterfactuals(spec, Encoder(spec.features), forest, score, profile).find(RECORD)
    assert isinstance(found, Counterfactual)
    changed = dict(zip(Encoder(spec.features).names, RECORD, strict=True))
    for change in found.changes:
        assert changed[change.feature] == change.before
        changed[change.feature] = change.after
    again = float(score(Encoder(spec.features).rows([tuple(changed.values())]))[0])
    assert found.prediction == again < 0.5
    assert found.action == "keep"
    assert Thresholds(spec.decision).rule(score(Encoder(spec.features).rows([RECORD])).tolist())[0][0] == "warn"


def test_no_value_of_a_fine_grid_does_it_with_a_smaller_single_change(forest: Any, score: Any, profile: Any) -> None:
    record = (12.0, 3000.0, 3, False, "EWR")
    spec = spec_of({"most_changes": 1}, distance=True)
    found = Counterfactuals(spec, Encoder(spec.features), forest, score, profile).find(record)
    assert isinstance(found, Counterfactual)
    [change] = found.changes
    assert isinstance(change.after, float)
    assert isinstance(change.before, float)
    grid = np.arange(0.0, 6000.0, 0.5)
    rows = np.repeat(Encoder(spec.features).rows([record]), len(grid), axis=0)
    rows[:, 1] = grid
    kept = grid[score(rows) < 0.5]
    nearest = float(kept[np.argmin(np.abs(kept - change.before))])
    spread = profile.features[1].spread
    assert spread is not None
    assert abs(change.after - nearest) <= 0.5 + spread / 100.0
    assert found.cost == pytest.approx(abs(change.after - change.before) / spread)


@pytest.mark.parametrize(
    ("mutable", "expected"),
    [
        ({"distance": "increase"}, ("distance",)),
        ({"night": "increase"}, ()),
        ({"origin": True, "stops": "decrease"}, ("stops", "origin")),
    ],
)
def test_where_no_open_way_leads_there_none_is_found_and_what_was_searched_is_said(
    mutable: dict[str, Any], expected: tuple[str, ...], forest: Any, score: Any, profile: Any
) -> None:
    spec = spec_of({}, **mutable)
    found = Counterfactuals(spec, Encoder(spec.features), forest, score, profile).find(RECORD)
    assert isinstance(found, NoneFound)
    assert found.searched == expected
    assert found.proven == max(1, len(expected))


def test_a_value_that_is_missing_stays_missing(forest: Any, score: Any, profile: Any) -> None:
    spec = spec_of({}, temp=True, origin=True)
    found = Counterfactuals(spec, Encoder(spec.features), forest, score, profile).find((None, *RECORD[1:4], None))
    assert isinstance(found, NoneFound)
    assert found.searched == ()


def test_an_aim_is_reached_and_not_only_something_less_adverse(forest: Any, score: Any, profile: Any) -> None:
    document = spec_of({"aim": "keep"}, distance="decrease", night="decrease").model_dump(mode="json")
    document["decision"]["actions"].append({"name": "look", "at_least": 0.1})
    aimed = ModelSpec.model_validate(document)
    content = ModelSpec.model_validate({**document, "explanation": {"counterfactual": True}})
    found = [
        Counterfactuals(spec, Encoder(spec.features), forest, score, profile).find(RECORD) for spec in (aimed, content)
    ]
    [least, nearest] = [one for one in found if isinstance(one, Counterfactual)]
    assert (least.action, nearest.action) == ("keep", "look")
    assert least.cost > nearest.cost


def test_a_version_with_its_features_in_another_order_gets_the_same_answer(
    forest: Any, booster: Any, score: Any, profile: Any
) -> None:
    spec = spec_of({}, distance="decrease", night="decrease", stops="decrease")
    turned = ModelSpec.model_validate(
        {**spec.model_dump(mode="json"), "features": spec.model_dump(mode="json")["features"][::-1]}
    )
    encoder = Encoder(spec.features)
    found = Counterfactuals(turned, encoder, forest, score, profile).find(RECORD[::-1])
    wanted = Counterfactuals(spec, encoder, forest, score, profile).find(RECORD)
    assert isinstance(found, Counterfactual)
    assert isinstance(wanted, Counterfactual)
    assert (set(found.changes), found.cost) == (set(wanted.changes), wanted.cost)


def test_what_the_model_does_not_confirm_is_not_told(forest: Any, score: Any, profile: Any) -> None:
    spec = spec_of({}, distance="decrease", night="decrease")
    alone = lambda rows: score(rows) + (len(rows) == 1)  # noqa: E731  says another thing of the same row by itself
    found = Counterfactuals(spec, Encoder(spec.features), forest, alone, profile).find(RECORD)
    assert isinstance(found, NoneFound)


def test_a_record_whose_action_is_wanted_already_is_refused(forest: Any, score: Any, profile: Any) -> None:
    spec = spec_of({}, distance="decrease")
    with pytest.raises(Reached, match="reaches the target as it is"):
        Counterfactuals(spec, Encoder(spec.features), forest, score, profile).find((12.0, 10.0, 0, False, "EWR"))


def test_without_a_profile_a_quarter_of_the_declared_range_is_the_spread(forest: Any, score: Any) -> None:
    document = spec_of({}, distance="decrease").model_dump(mode="json")
    document["features"][1]["max"] = 4000.0
    spec = ModelSpec.model_validate(document)
    found = Counterfactuals(spec, Encoder(spec.features), forest, score, None).find((12.0, 3000.0, 3, False, "EWR"))
    assert isinstance(found, Counterfactual)
    [change] = found.changes
    assert found.cost == pytest.approx((3000.0 - float(change.after or 0.0)) / 1000.0)


def test_a_sentence_keeps_numbers_apart_that_differ_little() -> None:
    changes = (FeatureChange("distance", 42.0, 41.9996), FeatureChange("night", True, False))
    assert would_have(changes, "keep", SPEC) == (
        "If distance had been 41.9996 km rather than 42 km and night had been no rather than yes, "
        "the action would have been keep."
    )
    assert none_within(()) == "None found within the searched changes, which were those of nothing."
