from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.cluster.decision_log.grounds import Reason
from windvane.cluster.decision_log.record import Value
from windvane.configs.feature import Feature
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.versions.reasons.wording import Reasons, Words, spell, weightiest

NAMES = ("debt", "term", "area", "worth")


def spec_of(*, adverse_is_high: bool = True, reasons: int = 4) -> ModelSpec:
    words = {"raises": "{name} raised it at {value}", "lowers": "{name} lowered it"}
    low = {"name": "low", "at_least": 0.0, "adverse": not adverse_is_high}
    high = {"name": "high", "at_least": 0.5, "adverse": adverse_is_high}
    kinds: dict[str, dict[str, Any]] = {
        "debt": {"unit": "%"},
        "term": {"type": "category", "categories": ["short", "long"]},
        "worth": {"missing": True},
    }
    return ModelSpec.model_validate(
        {
            "name": "loan",
            "owner": "credit@example.org",
            "unit": "applicant",
            "target": {"name": "refused"},
            "features": [
                {"name": name, "type": "number", **kinds.get(name, {})}
                | {"reason": {side: text.replace("{name}", name) for side, text in words.items()}}
                for name in NAMES
            ],
            "data": {"source": "loans.csv"},
            "decision": {"actions": [low, high]},
            "explanation": {"reasons": reasons},
        }
    )


def top(spec: ModelSpec, record: tuple[Value, ...], explanation: tuple[float, ...], most: int) -> tuple[Reason, ...]:
    (places,) = weightiest(np.array([explanation]), most)
    return Reasons(spec, NAMES).top(record, explanation, places)


def test_reasons_are_what_pushed_towards_the_adverse_action_weightiest_first() -> None:
    found = Reasons(spec_of(), NAMES).adverse((41.0, "long", 80.0, None), (-2.0, 0.3, 0.9, -1.5, 0.1))
    assert found == (
        Reason("term", "long", 0.9, "term raised it at long"),
        Reason("debt", 41.0, 0.3, "debt raised it at 41 %"),
        Reason("worth", None, 0.1, "worth was not given"),
    )


def test_where_low_scores_are_adverse_reasons_are_what_lowered_it() -> None:
    found = Reasons(spec_of(adverse_is_high=False), NAMES).adverse(
        (41.0, "long", 80.0, 5.0), (-2.0, 0.3, 0.9, -1.5, -0.1)
    )
    assert [(reason.feature, reason.text) for reason in found] == [
        ("area", "area lowered it"),
        ("worth", "worth lowered it"),
    ]


def test_no_more_reasons_are_given_than_declared() -> None:
    found = Reasons(spec_of(reasons=2), NAMES).adverse((1.0, "long", 1.0, 1.0), (0.0, 0.1, 0.2, 0.3, 0.4))
    assert [reason.feature for reason in found] == ["worth", "area"]


def test_where_nothing_pushed_that_way_no_reason_is_made_up() -> None:
    assert Reasons(spec_of(), NAMES).adverse((1.0, "long", 1.0, 1.0), (3.0, 0.0, -0.2, -0.3, 0.0)) == ()


def test_the_same_words_are_said_once_for_the_feature_that_weighed_more() -> None:
    document = spec_of().model_dump(mode="json")
    for feature in document["features"]:
        feature["reason"]["raises"] = "The income does not bear it"
    found = Reasons(ModelSpec.model_validate(document), NAMES).adverse(
        (1.0, "long", 1.0, 1.0), (0.0, 0.1, 0.4, 0.3, 0.2)
    )
    assert found == (Reason("term", "long", 0.4, "The income does not bear it"),)


def test_top_leaves_none_out_for_its_words_so_that_all_of_them_add_up() -> None:
    document = spec_of().model_dump(mode="json")
    for feature in document["features"]:
        feature["reason"] = {"raises": "The income does not bear it"}
    found = top(ModelSpec.model_validate(document), (1.0, "long", 1.0, 1.0), (0.5, 0.1, 0.4, 0.3, 0.2), 9)
    assert [reason.weight for reason in found] == [0.4, 0.3, 0.2, 0.1]


def test_a_version_with_its_features_in_another_order_is_told_by_name() -> None:
    record, weights = (41.0, "long", 80.0, 5.0), (0.1, 0.2, 0.3, 0.4)
    turned = Reasons(spec_of(), NAMES[::-1]).adverse(record, (0.0, *weights[::-1]))
    assert turned == Reasons(spec_of(), NAMES).adverse(record, (0.0, *weights))


def test_a_version_with_a_feature_that_is_no_longer_declared_is_refused() -> None:
    with pytest.raises(KeyError, match="gone"):
        Reasons(spec_of(), (*NAMES, "gone"))


def test_top_takes_both_directions_by_size_and_leaves_out_what_did_nothing() -> None:
    found = top(spec_of(), (41.0, "long", 80.0, 5.0), (-2.0, 0.3, 0.0, -1.5, 0.1), 5)
    assert [(reason.feature, reason.weight) for reason in found] == [("area", -1.5), ("debt", 0.3), ("worth", 0.1)]


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_reasons_never_point_the_other_way_and_never_rise(weights: list[float]) -> None:
    found = Reasons(spec_of(), NAMES).adverse((1.0, "long", 1.0, 1.0), (0.0, *weights))
    told = [reason.weight for reason in found]
    assert all(weight > 0.0 for weight in told)
    assert told == sorted((weight for weight in weights if weight > 0.0), reverse=True)


@given(st.one_of(st.floats(allow_nan=False), st.integers(-2000, 2000), st.booleans(), st.sampled_from(["long", ""])))
def test_words_spell_a_value_alike_however_often_it_stands_in_them(value: Value) -> None:
    """One place for a value has a quick way of its own."""
    once = Words.of(Feature(name="debt", type="number", reason={"raises": "100 % of {value}%"}, unit="$"))
    twice = Words.of(Feature(name="debt", type="number", reason={"raises": "{value}{value}"}))
    assert once.tell(value, 1.0) == f"100 % of {spell(value)} $%"
    assert twice.tell(value, 1.0) == spell(value) * 2
