import json
import math
from typing import Any

import numpy as np
import pytest

from tests.worlds.bundles import SPEC, spec_of
from tests.worlds.gateway.tensors import numbers
from tests.worlds.gateway.world import NOW
from windvane.cluster.decision_log.grounds import Grounds, Reason
from windvane.cluster.errors import Invalid
from windvane.serve_apps.protocol.inference import Inference, InferRequest, version_of
from windvane.serve_apps.protocol.question import Answer
from windvane.serve_apps.protocol.tensors import BYTES, Tensor

INFERENCE = Inference(SPEC, fresh=lambda: "fresh")
ROWS = Tensor("all", "FP64", (2, 5), np.array([3.5, 1200, 1, 1, 1, math.nan, 7, 2, 0, -1]))


def request(*inputs: Tensor, outputs: tuple[str, ...] = (), **parameters: Any) -> InferRequest:
    return InferRequest(None, (ROWS, *inputs), outputs, parameters)


def subjects(*texts: str | None, shape: tuple[int, ...] = (2,), name: str = "subject") -> Tensor:
    return Tensor(name, BYTES, shape, texts)


def refusal(asked: InferRequest) -> str:
    with pytest.raises(Invalid) as refused:
        INFERENCE.ask(asked, NOW)
    return str(refused.value)


def answer(place: int = 1, version: int = 1, **more: Any) -> Answer:
    return Answer(f"id-{place}", version, "champion", 0.25 * place, "keep", ("score >= 0",), **more)


def test_a_question_is_asked_for_every_row() -> None:
    first, second = INFERENCE.ask(request(), NOW).questions
    assert first.row == (3.5, 1200.0, 1, True, "JFK")
    assert second.row == (None, 7.0, 2, False, "(other)")
    assert (first.event_time, first.context, first.explain, first.request_id) == (None, {}, False, None)


def test_the_encoded_rows_come_with_the_questions() -> None:
    asked = INFERENCE.ask(request(), NOW)
    questions, block = asked.questions, asked.encoded
    assert (len(questions), block.shape, block.dtype) == (2, (2, 5), np.dtype(np.float32))


def test_rows_that_nobody_named_are_each_a_unit_of_their_own() -> None:
    assert [question.subject for question in INFERENCE.ask(request(), NOW).questions] == ["fresh.0", "fresh.1"]
    asked = Inference(SPEC).ask
    assert len({question.subject for _ in range(3) for question in asked(request(), NOW).questions}) == 6


def test_a_request_may_be_about_one_subject_or_a_row_about_its_own() -> None:
    assert [each.subject for each in INFERENCE.ask(request(subject="N1"), NOW).questions] == ["N1", "N1"]
    for shape in ((2,), (2, 1)):
        asked = request(subjects("N1", "N2", shape=shape))
        assert [each.subject for each in INFERENCE.ask(asked, NOW).questions] == ["N1", "N2"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"context": {"channel": "app", "event_time": 1.8e9}},
        {"context": '{"channel": "app", "event_time": 1.8e9}'},
        {"context.channel": "app", "context.event_time": 1.8e9},
        {"context": '{"channel": "app"}', "context.event_time": 1.8e9},
    ],
)
def test_the_context_comes_as_an_object_as_its_json_or_member_by_member(parameters: dict[str, Any]) -> None:
    for question in INFERENCE.ask(request(**parameters), NOW).questions:
        assert question.context == {"channel": "app", "event_time": 1.8e9}
        assert question.event_time == 1.8e9


def test_parameters_of_other_servers_are_let_pass() -> None:
    assert len(INFERENCE.ask(request(priority=3, sequence_id=7, content_type="pd"), NOW).questions) == 2


def test_contributions_are_asked_for_by_parameter_or_by_output() -> None:
    for asked in (request(explain=True), request(outputs=("explanation",))):
        assert all(question.explain for question in INFERENCE.ask(asked, NOW).questions)
    assert INFERENCE.wanted(request()) == ("prediction", "action", "decision_id")
    assert INFERENCE.wanted(request(explain=True)) == ("prediction", "action", "decision_id", "explanation")
    assert INFERENCE.wanted(request(outputs=("version",), explain=True)) == ("version",)


def test_what_an_adverse_action_owes_is_an_usual_output_where_one_is_declared() -> None:
    assert Inference(spec_of(adverse=True)).wanted(request()) == ("prediction", "action", "decision_id", "grounds")
    grounds = Grounds((Reason("stops", 3, 0.5, "Many stops"),))
    (told,) = INFERENCE.outputs([answer(1, grounds=grounds), answer(2)], ("grounds",))
    assert (told.datatype, told.shape) == (BYTES, (2,))
    assert told.values[1] == ""
    assert json.loads(told.values[0] or "") == {
        "reasons": [{"feature": "stops", "value": 3, "weight": 0.5, "text": "Many stops"}],
        "counterfactual": None,
    }


def test_what_is_null_is_as_if_it_were_left_out() -> None:
    nothing: dict[str, Any] = dict.fromkeys(("subject", "context", "explain", "purpose"))
    [first, _] = INFERENCE.ask(request(**nothing), NOW).questions
    assert (first.subject, first.context, first.explain, first.purpose) == ("fresh.0", {}, False, "")


def test_whole_numbers_are_subjects_and_1_asks_for_contributions() -> None:
    numbers = Tensor("subject", "INT64", (2,), np.array([7, 8]))
    assert [each.subject for each in INFERENCE.ask(request(numbers), NOW).questions] == ["7", "8"]
    assert [each.subject for each in INFERENCE.ask(request(subject=7), NOW).questions] == ["7", "7"]
    assert all(each.explain for each in INFERENCE.ask(request(explain=1), NOW).questions)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (request(outputs=("predictoin",)), "no output 'predictoin'; there is prediction, action"),
        (request(outputs=("action", "action")), "'action' is asked for twice"),
        (request(explain="yes"), "'explain' must be true or false, not text"),
        (request(explain=2), "'explain' must be true or false, not a number"),
        (request(subject=""), "'subject' must have 1 to 512 characters"),
        (request(subject=7.5), "'subject' must be text, not a fraction"),
        (request(subjects("N1", "N2"), subject="N1"), "'subject' is an input and a parameter"),
        (request(subjects("N1", shape=(1,))), "'subject' must be one BYTES tensor of shape [2]"),
        (request(subjects("N1", "N2"), subjects("N1", "N2")), "'subject' must be one BYTES tensor"),
        (request(Tensor("subject", "BOOL", (2,), np.zeros(2, bool))), "'subject' must be one BYTES tensor"),
        (request(Tensor("subject", "FP32", (2,), np.full(2, 0.5))), "'subject' of row 0 must be text, not a fraction"),
        (request(subjects("N1", "")), "'subject' of row 1 must have 1 to 512 characters"),
        (request(subjects("N1", None)), "'subject' of row 1 must be text, not null"),
        (request(context=[]), "'context' must be an object of names and values, not an array"),
        (request(context="[1]"), "'context' must be an object"),
        (request(context="{"), "not JSON"),
        (request(context='{"a": 1, "a": 2}'), "The key 'a' stands twice"),
        (request(context={"a": {}}), "'context/a' must be text, a number"),
        (
            InferRequest(None, (ROWS,), (), {"context": {"a": 1}, "context.a": 2}),
            "'context.a' also stands in 'context'",
        ),
        (InferRequest(None, (ROWS,), (), {"context.event_time": "never"}), "'context/event_time' must be ISO 8601"),
        (request(context={str(place): 1 for place in range(65)}), "at most 64 members"),
    ],
)
def test_what_is_wrong_is_said(asked: InferRequest, sentence: str) -> None:
    assert sentence in refusal(asked)


def test_outputs_stand_in_the_order_asked_for_with_a_row_an_answer() -> None:
    names = ("version", "decision_id", "action", "prediction")
    version, ids, action, prediction = INFERENCE.outputs([answer(1), answer(2)], names)
    assert (version.name, version.datatype, version.shape, list(version.values)) == ("version", "INT64", (2,), [1, 1])
    assert (ids.datatype, ids.shape, ids.values) == (BYTES, (2,), ["id-1", "id-2"])
    assert (action.datatype, action.values) == (BYTES, ["keep", "keep"])
    assert (prediction.datatype, list(prediction.values)) == ("FP64", [0.25, 0.5])


def test_an_explanation_stands_in_the_models_order_whatever_the_versions_was() -> None:
    """A feature that the version does not know yet added nothing."""
    known = answer(features=("origin", "temp", "stops"), explanation=(-1.0, 0.1, 0.2, 0.3))
    (weights,) = INFERENCE.outputs([known, known], ("explanation",))
    assert (weights.datatype, weights.shape) == ("FP64", (2, 6))
    assert numbers(weights).reshape(2, 6).tolist() == [[-1.0, 0.2, 0.0, 0.3, 0.0, 0.1]] * 2


def test_the_version_stands_for_the_reply_when_it_gave_every_row() -> None:
    assert version_of([answer(version=3), answer(version=3)]) == "3"
    assert version_of([answer(version=3), answer(version=4)]) == ""
