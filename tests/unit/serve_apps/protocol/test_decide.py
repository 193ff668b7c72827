import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.bundles import SPEC
from tests.worlds.gateway.world import FEATURES, NOW, asked
from windvane.cluster.decision_log.grounds import Counterfactual, FeatureChange, Grounds, NoneFound, Reason
from windvane.cluster.decision_log.record import Value
from windvane.cluster.errors import Invalid, Malformed, TooLarge, WindvaneError
from windvane.serve_apps.protocol.decide import Asked, Decide
from windvane.serve_apps.protocol.features import ValueFault, read
from windvane.serve_apps.protocol.question import Answer, Question

DECIDE = Decide(SPEC)
ROW = (3.5, 1200.0, 1, True, "JFK")


def decode(document: object) -> list[Question]:
    return DECIDE.decode(document if isinstance(document, bytes) else json.dumps(document).encode(), NOW).questions


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
    context: dict[str, Value] = {
        "event_time": "2013-03-01T10:00:00Z",
        "desk": 4,
        "vip": False,
        "note": None,
        "share": 0.5,
    }
    [question] = decode(asked(context=context, explain=True, id="a:b"))
    assert question == Question("N725MQ", ROW, 1362132000.0, context, True, "a:b")


def test_instances_are_many_questions_in_their_order() -> None:
    found = DECIDE.decode(json.dumps({"instances": [asked("a"), asked("b")]}).encode(), NOW)
    assert found.many
    assert [question.subject for question in found.questions] == ["a", "b"]


@pytest.mark.parametrize("event_time", ["2013-03-01T10:00:00+00:00", "2013-03-01T10:00:00", 1362132000, 1362132000.0])
def test_event_time_is_iso_8601_or_unix_seconds(event_time: object) -> None:
    assert decode(asked(context={"event_time": event_time}))[0].event_time == 1362132000.0


@pytest.mark.parametrize("event_time", ["yesterday", True, -1, NOW + 90_000, "9999-12-31T23:59:59Z", 1e300])
def test_an_event_time_that_is_none_or_lies_ahead_is_refused(event_time: object) -> None:
    assert list(problems(asked(context={"event_time": event_time}))) == ["/context/event_time"]


def test_a_model_without_a_clock_leaves_event_time_to_the_context() -> None:
    timeless = Decide(SPEC.model_copy(update={"data": SPEC.data.model_copy(update={"time": None})}))
    [question] = timeless.decode(json.dumps(asked(context={"event_time": "whenever"})).encode(), NOW).questions
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
        ("stops", 3.5, "must be a whole number, not a fraction"),
        ("stops", "3", "must be a whole number, not text"),
        ("stops", 21, "must be at most 20"),
        ("stops", 21.0, "must be at most 20"),
        ("stops", -1, "must be at least 0"),
        ("stops", 2**70, "within ±2^53"),
        ("stops", None, "must not be null"),
        ("night", 2, "must be true or false, 1 or 0, not a number"),
        ("night", 0.5, "1 or 0, not a fraction"),
        ("night", "true", "1 or 0, not text"),
        ("night", None, "must not be null"),
        ("temp", "3.5", "must be a number, not text"),
        ("temp", 61, "must be at most 60 C"),
        ("temp", [], "a number, not an array"),
        ("distance", -0.001, "at least 0 km"),
        ("distance", 1e39, "range of float32"),
        ("distance", 10**300, "range of float32"),
        ("origin", 3.5, "text, not a fraction"),
        ("origin", 1e300, "text, not a number"),
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


@pytest.mark.parametrize(
    ("feature", "value", "taken"),
    [
        ("stops", 3.0, 3),
        ("stops", True, 1),
        ("night", 1, True),
        ("night", 0.0, False),
        ("temp", 7, 7.0),
        ("temp", True, 1.0),
        ("temp", math.nan, None),
        ("origin", 7, "7"),
        ("origin", 7.0, "7"),
        ("origin", False, "false"),
        ("origin", math.nan, None),
    ],
)
def test_a_value_that_means_one_of_its_type_is_cast(feature: str, value: object, taken: object) -> None:
    row = decode(changed(**{feature: value}))[0].row
    found = row[list(FEATURES).index(feature)]
    assert (found, type(found)) == (taken, type(taken))


@pytest.mark.parametrize(("subject", "text"), [(7, "7"), (7.0, "7"), (10**30, "1" + "0" * 30), (-3, "-3")])
def test_a_whole_number_is_a_subject_and_an_id(subject: object, text: str) -> None:
    [question] = decode(asked() | {"subject": subject, "id": subject})
    assert (question.subject, question.request_id) == (text, text)


def test_null_is_as_if_an_optional_member_were_left_out() -> None:
    plain = [Question("N725MQ", ROW)]
    nothing = {"context": None, "explain": None, "id": None, "purpose": None}
    assert decode(asked() | nothing) == plain
    assert decode(asked() | nothing | {"instances": None}) == plain
    assert decode({"instances": [asked() | nothing], **nothing, "subject": None}) == plain
    [question] = decode(asked(context={"event_time": None}))
    assert question.event_time is None


@pytest.mark.parametrize(("explain", "wanted"), [(1, True), (0, False), (1.0, True)])
def test_explain_may_be_1_or_0(explain: object, wanted: bool) -> None:
    assert decode(asked(explain=explain))[0].explain is wanted
    wrongs: tuple[object, ...] = ("", [], {}, 2, "true")
    for wrong in wrongs:
        assert list(problems(asked(explain=wrong))) == ["/explain"]


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
def test_nan_is_missing_and_infinity_is_not_json(literal: bytes) -> None:
    body = json.dumps(changed(distance=0)).encode().replace(b'"distance": 0', b'"distance": ' + literal)
    if literal == b"NaN":
        assert problems(body) == {"/features/distance": "must not be null; it is a required number"}
        return
    with pytest.raises(Malformed, match="is not JSON"):
        decode(body)


def test_every_offending_field_of_every_instance_is_named_at_once() -> None:
    wrong = {"subject": "", "features": FEATURES | {"temp": "warm", "tmep": 1}, "explain": 2, "id": [], "extra": 0}
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


@pytest.mark.parametrize("instances", [[], {}, 0, "a"])
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
    """A value passes if and only if it can be read by itself, and it passes as what was read."""
    sent = FEATURES | features
    body = json.dumps(asked() | {"features": sent, "context": context}).encode()
    wrong = [feature for feature in SPEC.features if isinstance(read(feature, sent[feature.name]), ValueFault)]
    bad_context = any(
        isinstance(value, list)
        or (type(value) is int and abs(value) > 2**53)
        or (name == "event_time" and value is not None)
        for name, value in context.items()
    )
    if wrong or bad_context or "other" in sent:
        found = problems(body)
        assert "" not in found  # every one is pointed at
        assert {f"/features/{feature.name}" for feature in wrong} <= found.keys()
    else:
        [question] = decode(body)
        assert question.row == tuple(read(feature, sent[feature.name]) for feature in SPEC.features)
        assert question.context == context


USUAL = SPEC.model_copy(
    update={
        "features": tuple(
            feature.model_copy(update={"usual": (0.0, 2000.0)}) if feature.name in ("distance", "stops") else feature
            for feature in SPEC.features
        )
    }
)


def test_what_is_not_usual_is_decided_with_a_warning_that_does_not_repeat_it() -> None:
    decide = Decide(USUAL)
    found = decide.decode(json.dumps(changed(distance=987654, origin="Atlantis", stops=3.0)).encode(), NOW)
    assert found.questions[0].row == (3.5, 987654.0, 3, True, "Atlantis")
    reply = json.loads(decide.encode(found, [Answer("id-1", 3, "champion", 0.75, "warn", ())]))
    assert reply["warnings"] == [
        {"pointer": "/features/distance", "detail": "is above 2000 km, the most that is usual"},
        {"pointer": "/features/origin", "detail": "is none of the declared categories; counts as unknown"},
    ]
    assert "987654" not in json.dumps(reply)
    assert "Atlantis" not in json.dumps(reply)


def test_a_text_that_stands_for_no_value_is_missing_and_no_unknown_category() -> None:
    assert DECIDE.decode(json.dumps(changed(origin="n/a")).encode(), NOW).warnings == {}
    assert DECIDE.decode(json.dumps(changed(origin="N725")).encode(), NOW).warnings != {}


@pytest.mark.parametrize("written", ["as declared", "otherwise"])
def test_warnings_stand_with_their_instances(written: str) -> None:
    odd = {"stops": 3} if written == "as declared" else {"stops": 3.0}
    instances = [asked("a"), changed(distance=5000, **odd), 3, asked("b")][: 4 if odd["stops"] == 3.0 else 2]
    found = Decide(USUAL).decode(json.dumps({"instances": instances}).encode(), NOW)
    assert [question.subject for question in found.questions][:2] == ["a", "N725MQ"]
    assert {place: [each.pointer for each in told] for place, told in found.warnings.items()} == {
        1: ["/instances/1/features/distance"]
    }
    assert [(each.field, each.reason) for each in found.warnings[1]] == [("distance", "unusual")]


def test_a_usual_request_has_no_warnings_and_max_still_refuses() -> None:
    found = Decide(USUAL).decode(json.dumps(changed(distance=2000, origin=None)).encode(), NOW)
    assert found == Asked([Question("N725MQ", (3.5, 2000.0, 1, True, None))], many=False)
    with pytest.raises(Invalid) as refusal:
        Decide(USUAL).decode(json.dumps(changed(distance=-1, temp=61)).encode(), NOW)
    assert {problem.pointer: problem.reason for problem in refusal.value.problems} == {
        "/features/temp": "range",
        "/features/distance": "range",
    }


def test_one_bad_instance_does_not_refuse_the_others() -> None:
    bad = changed(temp=400, stops=3.5) | {"subject": "b"}
    found = DECIDE.decode(json.dumps({"instances": [asked("a"), bad, asked("c"), 3]}).encode(), NOW)
    assert [question.subject for question in found.questions] == ["a", "c"]
    assert len(found) == 4
    answers = [Answer(name, 3, "champion", 0.75, "warn", ()) for name in ("id-a", "id-c")]
    reply = json.loads(DECIDE.encode(found, answers))
    assert reply["refused"] == 2
    assert [each.get("decision_id") for each in reply["decisions"]] == ["id-a", None, "id-c", None]
    assert reply["decisions"][1] == {
        "problem": {
            "type": "urn:windvane:problem:invalid-request",
            "title": "Invalid request",
            "status": 422,
            "detail": "2 fields are wrong",
            "instance": "/v2/models/trips/decide#/instances/1",
            "errors": [
                {"pointer": "/instances/1/features/temp", "detail": "must be at most 60 C"},
                {"pointer": "/instances/1/features/stops", "detail": "must be a whole number, not a fraction"},
            ],
        }
    }
    assert reply["decisions"][3]["problem"]["errors"][0]["pointer"] == "/instances/3"


def test_where_nothing_can_be_decided_the_request_is_refused_with_every_problem() -> None:
    assert list(problems({"instances": [changed(temp=400), 3]})) == ["/instances/0/features/temp", "/instances/1"]


def test_an_event_time_that_lies_ahead_refuses_its_own_instance_only() -> None:
    late = asked("b", context={"event_time": NOW + 90_000})
    found = DECIDE.decode(json.dumps({"instances": [asked("a"), late]}).encode(), NOW)
    assert {place: [each.pointer for each in wrong] for place, wrong in found.refused.items()} == {
        1: ["/instances/1/context/event_time"]
    }


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_random_bytes_never_decode_and_never_break(body: bytes) -> None:
    with pytest.raises(WindvaneError):
        DECIDE.decode(body, NOW)


def test_the_reply_names_the_decision_and_only_an_asked_explanation() -> None:
    answer = Answer("id-1", 3, "champion", 0.75, "warn", ("score >= 0.5",), ("a", "b"))
    assert json.loads(DECIDE.encode(Asked([], many=False), [answer])) == {
        "decision_id": "id-1",
        "model": "trips",
        "version": 3,
        "arm": "champion",
        "prediction": 0.75,
        "decision": {"action": "warn", "reasons": ["score >= 0.5"]},
    }
    top = (Reason("b", None, -0.3, "b was not given"), Reason("a", 2.5, 0.2, "a: 2.5"))
    explained = Answer("id-2", 3, "champion", 0.75, "warn", (), ("a", "b"), (0.1, 0.2, -0.3), top)
    decisions = json.loads(DECIDE.encode(Asked([], many=True), [answer, explained]))["decisions"]
    assert [each["decision_id"] for each in decisions] == ["id-1", "id-2"]
    weights = [
        {"feature": "b", "value": None, "weight": -0.3, "text": "b was not given"},
        {"feature": "a", "value": 2.5, "weight": 0.2, "text": "a: 2.5"},
    ]
    assert decisions[1]["explanation"] == {"base_value": 0.1, "top_features": weights}


def test_an_adverse_action_is_told_its_reasons_and_what_would_have_led_elsewhere() -> None:
    reason = Reason("a", 2.5, 0.2, "A is high")
    none = NoneFound("None found", ("a",), 1, 12)
    found = Counterfactual("If a …", (FeatureChange("a", 2.5, 2.0),), 0.4, "keep", 0.1, 1, 3)
    told = []
    for counterfactual in (None, none, found):
        grounds = Grounds((reason,), counterfactual)
        answer = Answer("id", 3, "champion", 0.75, "warn", (), ("a",), (0.1, 0.2), (reason,), grounds)
        told.append(json.loads(DECIDE.encode(Asked([], many=False), [answer]))["explanation"])
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


def test_a_body_with_a_byte_order_mark_is_the_same_body() -> None:
    assert decode(b"\xef\xbb\xbf" + json.dumps(asked()).encode()) == decode(asked())


def test_names_in_another_case_are_answered_with_the_right_ones() -> None:
    found = problems(asked() | {"features": {name.upper(): value for name, value in FEATURES.items()}})
    assert found["/features/TEMP"] == "is no feature of this model; did you mean temp?"
