"""Every server is asked with the same rows, and its reply is read where its prediction stands."""

import json

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from benchmarks import dialects
from benchmarks.dialects import Dialect
from benchmarks.model import make_rows

ROWS = make_rows(4)


def body_of(request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    return body


def values_in(tree: object) -> list[float]:
    if isinstance(tree, dict):
        return [value for key, each in tree.items() if key != "shape" for value in values_in(each)]
    if isinstance(tree, list):
        return [value for each in tree for value in values_in(each)]
    return [float(tree)] if isinstance(tree, float) else []


@pytest.mark.parametrize(
    "name", ["PLAIN", "V1", "V2", "BENTOML", "LITSERVE", "MLFLOW", "DECIDE", "EXPLAINED", "PEOPLE"]
)
def test_json_holds_the_row_to_the_bit(name: str) -> None:
    dialect: Dialect = getattr(dialects, name)
    requests = dialect.requests(ROWS)
    assert len(requests) == len(ROWS)
    for request, row in zip(requests, ROWS, strict=True):
        assert request.startswith(f"POST {dialect.path} HTTP/1.1\r\n".encode())
        assert np.array_equal(np.array(values_in(json.loads(body_of(request))), np.float32), row)


def test_about_people_the_purpose_is_named() -> None:
    assert json.loads(body_of(dialects.PEOPLE.requests(ROWS)[0]))["purpose"] == "service"


def test_explaining_is_asked_for_in_each_request() -> None:
    asked = [json.loads(body_of(each.requests(ROWS)[0])) for each in (dialects.DECIDE, dialects.EXPLAINED)]
    assert [each.get("explain") for each in asked] == [None, True]


def test_binary_says_where_its_header_ends_and_holds_many_rows() -> None:
    many = Dialect(dialects.INFER, dialects.BINARY.write, dialects.BINARY.read, 2, dialects.BINARY.headers)
    first, second = many.requests(ROWS)
    head, _, body = second.partition(b"\r\n\r\n")
    length = int(head.split(b"inference-header-content-length: ")[1].split(b"\r\n")[0])
    header = json.loads(body[:length])
    assert header["inputs"][0]["shape"] == [2, 24]
    assert header["inputs"][0]["parameters"]["binary_data_size"] == len(body) - length
    assert np.array_equal(np.frombuffer(body[length:], "<f4").reshape(2, 24), ROWS[2:])
    assert first != second


def test_a_grpc_message_holds_the_row() -> None:
    request = service_pb2.ModelInferRequest.FromString(dialects.GRPC.requests(ROWS)[1])
    assert request.model_name == "bench"
    assert list(request.inputs[0].shape) == [1, 24]
    assert np.array_equal(np.frombuffer(request.raw_input_contents[0], "<f4"), ROWS[1])


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("PLAIN", b'{"predictions": [0.25]}'),
        ("V1", b'{"predictions": [0.25]}'),
        ("V2", b'{"outputs": [{"name": "action", "data": ["a"]}, {"name": "prediction", "data": [0.25]}]}'),
        ("BENTOML", b"[0.25]"),
        ("LITSERVE", b'{"output": 0.25}'),
        ("MLFLOW", b'{"predictions": {"label": [0], "probabilities": [[0.75, 0.25]]}}'),
        ("DECIDE", b'{"prediction": 0.25}'),
        ("EXPLAINED", b'{"prediction": 0.25, "explanation": {"top_features": [{}]}}'),
        (
            "BINARY",
            b'{"outputs":[{"name":"prediction","datatype":"FP64","shape":[1]}]}' + np.array([0.25], "<f8").tobytes(),
        ),
    ],
)
def test_the_prediction_is_found(name: str, reply: bytes) -> None:
    dialect: Dialect = getattr(dialects, name)
    assert dialect.read(reply) == [0.25]


def test_the_prediction_is_found_in_a_grpc_reply() -> None:
    reply = service_pb2.ModelInferResponse(raw_output_contents=[b"", np.array([0.25], "<f4").tobytes()])
    reply.outputs.add(name="action", datatype="BYTES")
    reply.outputs.add(name="prediction", datatype="FP32")
    assert dialects.GRPC.read(reply.SerializeToString()) == [0.25]


def test_a_decision_without_its_explanation_is_no_answer() -> None:
    with pytest.raises(ValueError, match="weigh most"):
        dialects.EXPLAINED.read(b'{"prediction": 0.25, "explanation": {"top_features": []}}')
