import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.decision_log.grounds import Change, Counterfactual, Grounds, NoneFound, Reason
from cluster.errors import Invalid, Malformed, TooLarge, WindvaneError
from configs.schema import Feature
from serve_apps.protocol.decide import Decide
from serve_apps.protocol.features import complain
from serve_apps.question import Answer, Question
from tests.bundles import SPEC
from tests.gateway_world import FEATURES, NOW, asked

DECIDE = Decide(SPEC)
ROW = (3.5, 1200.0, 1, True, "JFK")


def decode(document: object) -> list[Question]:
    return DECIDE.decode(document if isinstance(document, bytes) else json.dumps(document).encode(), NOW)[0]


def problems(document: object) -> dict[str, str]:
    with pytest.raises(Invalid) as refusal:
        decode(document)
    return {problem.pointer: problem.detail for problem in refusal.value.problems}


def changed(**features: Any) -> dict[str, Any]:
    return asked() | {"features": FEATURES | features}


def test_a_plain_request_is_a_question_in_the_declared_order() -> None:
    shuffled = {"features": dict(reversed(FEATURES.items())), "subject": "N1"}
    assert decode(shuffled) == [Question("N1", ROW)]


def test_every_part_of_a_request_is_read() -> None:
    context = {"event_time": "2013-03-01T10:00:00Z", "desk": 4, "vip": False, "note": None, "share": 0.5}
    [question] = decode(asked(context=context, explain=True, id="a:b"))
    assert question == Question("N725MQ", ROW, 1362132000.0, context, True, "a:b")


def test_instances_are_many_questions_in_their_order() -> None:
    questions, many = DECIDE.decode(json.dumps({"instances": [asked("a"), asked("b")]}).encode(), NOW)
    assert many
    assert [question.subject for question in questions] == ["a", "b"]


@pytest.mark.parametrize("event_time", ["2013-03-01T10:00:00+00:00", "2013-03-01T10:00:00", 1362132000, 1362132000.0])
def test_event_time_is_iso_8601_or_unix_seconds(event_time: object) -> None:
    assert decode(asked(context={"event_time": event_time}))[0].event_time == 1362132000.0


@pytest.mark.parametrize("event_time", ["yesterday", True, None, -1, NOW + 90_000, "9999-12-31T23:59:59Z", 1e300])
def test_an_event_time_that_is_none_or_lies_ahead_is_refused(event_time: object) -> None:
    assert list(problems(asked(context={"event_time": event_time}))) == ["/context/event_time"]


def test_a_model_without_a_clock_leaves_event_time_to_the_context() -> None:
    timeless = Decide(SPEC.model_copy(update={"data": SPEC.data.model_copy(update={"time": None})}))
    [question] = timeless.decode(json.dumps(asked(context={"event_time": "whenever"})).encode(), NOW)[0]
    assert question.event_time is None
    assert question.context == {"event_time": "whenever"}


def test_a_feature_that_may_be_missing_can_be_null_or_left_out() -> None:
    assert decode(changed(temp=None, origin=None))[0].row == (None, 1200.0, 1, True, None)
    bare = {name: value for name, value in FEATURES.items() if name not in ("temp", "origin")}
    assert decode(asked() | {"features": bare})[0].row == (None, 1200.0, 1, True, None)


def test_a_category_that_was_never_declared_is_taken_as_it_is() -> None:
    assert decode(changed(origin="SFO"))[0].row[-1] == "SFO"


def test_a_number_may_be_written_without_a_decimal_point() -> None:
    row = decode(changed(distance=900))[0].row
    assert row[1] == 900.0
    assert isinstance(row[1], float)


@pytest.mark.parametrize(
    ("feature", "value", "sentence"),
    [
        ("stops", 3.0, "without a decimal point, not 3.0"),
        ("stops", "3", 'without a decimal point, not "3"'),
        ("stops", True, "without a decimal point, not true"),
        ("stops", 21, "at most 20, not 21"),
        ("stops", -1, "at least 0, not -1"),
        ("stops", 2**70, "within ±2^53"),
        ("stops", None, "must not be null"),
        ("night", 1, "true or false, not 1"),
        ("night", "true", 'true or false, not "true"'),
        ("night", None, "must not be null"),
        ("temp", "3.5", 'a number, not "3.5"'),
        ("temp", True, "a number, not true"),
        ("temp", 61, "at most 60 C, not 61"),
        ("temp", [], "a number, not an array"),
        ("distance", -0.001, "at least 0 km"),
        ("distance", 1e39, "range of float32"),
        ("distance", 10**300, "range of float32"),
        ("origin", 3, "text, not 3"),
        ("origin", {"a": 1}, "text, not an object"),
        ("origin", "x" * 257, "0 to 256 characters"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(feature: str, value: object, sentence: str) -> None:
    found = problems(changed(**{feature: value}))
    assert list(found) == [f"/features/{feature}"]
    assert sentence in found[f"/features/{feature}"]


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1" * 400, b"9" * 5000])
def test_a_number_beyond_float64_is_pointed_at(number: bytes) -> None:
    found = problems(json.dumps(changed(distance=0)).encode().replace(b'"distance": 0', b'"distance": ' + number))
    assert list(found) == ["/features/distance"]


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
def test_nan_and_infinity_are_not_json(literal: bytes) -> None:
    body = json.dumps(changed(distance=0)).encode().replace(b'"distance": 0', b'"distance": ' + literal)
    with pytest.raises(Malformed, match="is not JSON"):
        decode(body)


def test_every_offending_field_of_every_instance_is_named_at_once() -> None:
    wrong = {"subject": "", "features": FEATURES | {"temp": "warm", "tmep": 1}, "explain": 1, "id": 7, "extra": 0}
    found = problems({"instances": [asked(), wrong, 3, {}], "explain": True})
    assert list(found) == [
        "/explain",
        "/instances/1/extra",
        "/instances/1/subject",
        "/instances/1/explain",
        "/instances/1/id",
        "/instances/1/features/temp",
        "/instances/1/features/tmep",
        "/instances/2",
        "/instances/3/subject",
        "/instances/3/features",
    ]
    assert "did you mean temp?" in found["/instances/1/features/tmep"]


def test_context_is_flat_small_and_of_plain_values() -> None:
    context = {"a": {}, "b": [1], "c": 2**60, "d": "x" * 1025, "~/": math.inf}
    body = json.dumps(asked(context=context)).encode().replace(b"Infinity", b"1e999")
    assert list(problems(body)) == [f"/context/{name}" for name in ("a", "b", "c", "d", "~0~1")]
    assert list(problems(asked(context=[]))) == ["/context"]
    assert list(problems(asked(context={str(place): 0 for place in range(65)}))) == ["/context"]


@pytest.mark.parametrize("document", [[], 3, "x", None, True])
def test_what_is_no_object_is_refused(document: object) -> None:
    assert list(problems(document)) == [""]


@pytest.mark.parametrize("instances", [[], {}, None, "a"])
def test_instances_must_be_an_array_of_some(instances: object) -> None:
    assert list(problems({"instances": instances})) == ["/instances"]


def test_more_instances_than_are_accepted_are_too_large() -> None:
    with pytest.raises(TooLarge, match="17 instances; send at most 16"):
        decode({"instances": [asked()] * 17})


@pytest.mark.parametrize("part", ['"subject"', '"temp"', '"features"', '"n:1"'])
@pytest.mark.parametrize("many", [False, True])
def test_a_key_that_stands_twice_is_refused(part: str, many: bool) -> None:
    text = json.dumps(asked(context={"n:1": "10:00"}))
    body = text.replace(f"{part}:", f"{part}: null, {part}:" if part != '"features"' else f"{part}: {{}}, {part}:")
    body = body.replace('"features": {}', f'"features": {json.dumps(FEATURES)}').replace(
        '"subject": null', '"subject": ""'
    )
    body = f'{{"instances": [{body}]}}' if many else body
    with pytest.raises((Malformed, Invalid)) as refusal:
        decode(body.encode())
    assert "stands twice" in str(refusal.value)


def test_an_escaped_colon_does_not_hide_a_key_that_stands_twice() -> None:
    body = json.dumps(asked("a:b")).replace("a:b", r"a\u003ab")
    assert decode(body.encode())[0].subject == "a:b"
    with pytest.raises(Malformed, match="'stops' stands twice"):
        decode(body.replace('"stops": 1', '"stops": 1, "stops": 1').encode())


@pytest.mark.parametrize("subject", ['a"b', "a:b", "é\n", "\\", "instances", '"instances"'])
def test_any_text_may_be_a_subject(subject: str) -> None:
    assert decode(asked(subject))[0].subject == subject
    assert decode(json.dumps(asked(subject), ensure_ascii=False).encode())[0].subject == subject


def test_half_a_surrogate_pair_is_refused() -> None:
    body = json.dumps(asked()).encode().replace(b"N725MQ", b"\\ud800")
    assert list(problems(body)) == ["/subject"]


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-5, 25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=1)
)


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from([*FEATURES, "other"]), VALUES),
    st.dictionaries(st.text(max_size=3), VALUES, max_size=3),
)
def test_the_fast_path_and_the_problems_always_agree(features: dict[str, Any], context: dict[str, Any]) -> None:
    """A value passes if and only if no problem can be found with it, and it passes as what its type makes of it."""
    sent = FEATURES | features
    body = json.dumps(asked() | {"features": sent, "context": context}).encode()
    wrong = [feature for feature in SPEC.features if complain(feature, sent[feature.name]) is not None]
    bad_context = any(
        isinstance(value, list) or (type(value) is int and abs(value) > 2**53) or name == "event_time"
        for name, value in context.items()
    )
    if wrong or bad_context or "other" in sent:
        found = problems(body)
        assert "" not in found  # every one is pointed at
        assert {f"/features/{feature.name}" for feature in wrong} <= found.keys()
    else:
        [question] = decode(body)
        assert question.row == tuple(_read(feature, sent[feature.name]) for feature in SPEC.features)
        assert question.context == context


def _read(feature: Feature, value: Any) -> Any:
    """A number is float64, also when it was sent without a point: beyond 2^53 that is the nearest one."""
    return float(value) if feature.type == "number" and value is not None else value


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_random_bytes_never_decode_and_never_break(body: bytes) -> None:
    with pytest.raises(WindvaneError):
        DECIDE.decode(body, NOW)


def test_the_reply_names_the_decision_and_only_an_asked_explanation() -> None:
    answer = Answer("id-1", 3, "champion", 0.75, "warn", ("score >= 0.5",), ("a", "b"))
    assert json.loads(DECIDE.encode([answer], many=False)) == {
        "decision_id": "id-1",
        "model": "trips",
        "version": 3,
        "arm": "champion",
        "prediction": 0.75,
        "decision": {"action": "warn", "reasons": ["score >= 0.5"]},
    }
    top = (Reason("b", None, -0.3, "b was not given"), Reason("a", 2.5, 0.2, "a: 2.5"))
    explained = Answer("id-2", 3, "champion", 0.75, "warn", (), ("a", "b"), (0.1, 0.2, -0.3), top)
    decisions = json.loads(DECIDE.encode([answer, explained], many=True))["decisions"]
    assert [each["decision_id"] for each in decisions] == ["id-1", "id-2"]
    weights = [
        {"feature": "b", "value": None, "weight": -0.3, "text": "b was not given"},
        {"feature": "a", "value": 2.5, "weight": 0.2, "text": "a: 2.5"},
    ]
    assert decisions[1]["explanation"] == {"base_value": 0.1, "top_features": weights}


def test_an_adverse_action_is_told_its_reasons_and_what_would_have_led_elsewhere() -> None:
    reason = Reason("a", 2.5, 0.2, "A is high")
    none = NoneFound("None found", ("a",), 1, 12)
    found = Counterfactual("If a …", (Change("a", 2.5, 2.0),), 0.4, "keep", 0.1, 1, 3)
    told = []
    for counterfactual in (None, none, found):
        grounds = Grounds((reason,), counterfactual)
        answer = Answer("id", 3, "champion", 0.75, "warn", (), ("a",), (0.1, 0.2), (reason,), grounds)
        told.append(json.loads(DECIDE.encode([answer], many=False))["explanation"])
    shown = {"feature": "a", "value": 2.5, "weight": 0.2, "text": "A is high"}
    assert told[0] == {"base_value": 0.1, "top_features": [shown], "reasons": [shown]}
    assert told[1]["counterfactual"] == {
        "outcome": "none found",
        "text": "None found",
        "searched": ["a"],
        "proven": 1,
        "rows": 12,
    }
    assert told[2]["counterfactual"]["outcome"] == "found"
    assert told[2]["counterfactual"]["changes"] == [{"feature": "a", "before": 2.5, "after": 2.0}]
