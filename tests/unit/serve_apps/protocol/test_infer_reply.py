import json

import numpy as np
import pytest

from tests.worlds.bundles import SPEC
from windvane.cluster.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    Overloaded,
    Problem,
    TooLarge,
    WindvaneError,
)
from windvane.serve_apps.protocol.infer_body import InferBody
from windvane.serve_apps.protocol.infer_reply import infer_reply, refusal
from windvane.serve_apps.protocol.inference import AskedRows, Inference, InferRequest
from windvane.serve_apps.protocol.problem import MethodNotAllowed
from windvane.serve_apps.protocol.question import Answer

ANSWERS = [
    Answer("a", 3, "champion", 0.25, "keep", ("score >= 0",)),
    Answer("b", 3, "champion", 0.75, "warn", ("score >= 0.5",)),
]


def test_outputs_go_back_as_json_and_as_bytes_side_by_side() -> None:
    request = InferRequest("7", (), ("decision_id", "prediction", "action"))
    body = InferBody(request, frozenset({"prediction", "action"}), False)
    reply = infer_reply("trips", Inference(SPEC), body, AskedRows([], np.empty((0, 5), np.float32), {}), ANSWERS)
    headers = dict(reply.headers)
    assert headers[b"content-type"] == b"application/octet-stream"
    length = int(headers[b"inference-header-content-length"])
    assert json.loads(reply.body[:length]) == {
        "model_name": "trips",
        "model_version": "3",
        "id": "7",
        "outputs": [
            {"name": "decision_id", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]},
            {"name": "prediction", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}},
            {"name": "action", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 16}},
        ],
    }
    assert reply.body[length:] == (b"\0\0\0\0\0\0\xd0\x3f\0\0\0\0\0\0\xe8\x3f" + b"\4\0\0\0keep\4\0\0\0warn")


def test_warnings_are_a_parameter_of_the_reply_as_json_text() -> None:
    told = [Problem("/inputs/0/data/4", "origin of row 0 is none", "unknown_category", "origin")] * 101
    asked = AskedRows([], np.empty((0, 5), np.float32), {0: told})
    reply = infer_reply(
        "trips", Inference(SPEC), InferBody(InferRequest(None, (), ("action",)), frozenset(), False), asked, ANSWERS
    )
    listed = json.loads(json.loads(reply.body)["parameters"]["warnings"])
    assert listed[0] == {"pointer": "/inputs/0/data/4", "detail": "origin of row 0 is none"}
    assert (len(listed), listed[-1]) == (101, {"pointer": "", "detail": "and 1 more"})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("no"), 400),
        (Malformed("no"), 400),
        (Forbidden("no"), 403),
        (NotFound("no"), 404),
        (Conflict("no"), 409),
        (TooLarge("no"), 413),
        (Overloaded("no"), 429),
        (WindvaneError("no"), 500),
    ],
)
def test_an_error_is_its_sentence_under_its_status(error: WindvaneError, status: int) -> None:
    reply = refusal(error, "/v2/models/trips/infer")
    assert (reply.status, reply.body) == (status, b'{"error":"no"}')
    assert dict(reply.headers)[b"content-type"] == b"application/json"


def test_headers_that_say_what_to_do_next_stay() -> None:
    assert (b"retry-after", b"3") in refusal(Overloaded("no", 2.5), "/v2").headers
    assert (b"allow", b"POST") in refusal(MethodNotAllowed("no", "POST"), "/v2").headers
