"""Dialect of each server: the form of a request for a prediction, and where that stands in the reply.

Every server gets the same rows, in the format that its own documentation shows first.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from benchmarks.model import PURPOSE, SPEC
from windvane.cluster.bundle import ONNX_INPUT

Rows = NDArray[np.float32]
JSON = (("content-type", "application/json"),)
NAME = SPEC.name


@dataclass(frozen=True, slots=True)
class Dialect:
    """One format: where it is sent, how float32[n, F] rows become a body, how a reply's body becomes float[n]."""

    path: str
    write: Callable[[Rows], bytes]
    read: Callable[[bytes], Sequence[float]]
    rows: int = 1  # in one request
    headers: Callable[[bytes], Sequence[tuple[str, str]]] = lambda _: JSON
    grpc: bool = False
    predicts: bool = True

    def requests(self, rows: Rows, more: Mapping[str, str] | None = None) -> tuple[bytes, ...]:
        """The rows as whole HTTP requests with `more` headers, or as gRPC messages, each with the next `rows`."""
        parts = np.split(rows, len(rows) // self.rows)
        return tuple(body if self.grpc else self._http(body, more or {}) for body in map(self.write, parts))

    def _http(self, body: bytes, more: Mapping[str, str]) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (*self.headers(body), *more.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


def _encode(tree: object) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode()


def _short(rows: Rows) -> list[list[float]]:
    """Numbers with the four places they were made with, as a client would write them."""
    return [[round(value, 4) for value in row] for row in rows.astype(np.float64).tolist()]


def _decide(**more: object) -> Callable[[Rows], bytes]:
    def write(rows: Rows) -> bytes:
        values = _short(rows)[0]
        features = {f"f{place}": value for place, value in enumerate(values)}
        return _encode({"subject": f"unit-{values[0]}", "features": features, **more})

    return write


def _decided(reply: bytes) -> list[float]:
    return [json.loads(reply)["prediction"]]


def _explained(reply: bytes) -> list[float]:
    found = json.loads(reply)
    if not found["explanation"]["top_features"]:
        raise ValueError("the decision came without the features that weigh most")
    return [found["prediction"]]


def _tensor(rows: Rows) -> bytes:
    values = [value for row in _short(rows) for value in row]
    tensor = {"name": ONNX_INPUT, "shape": list(rows.shape), "datatype": "FP32", "data": values}
    return _encode({"inputs": [tensor]})


def _tensor_reply(reply: bytes) -> list[float]:
    outputs = {output["name"]: output["data"] for output in json.loads(reply)["outputs"]}
    return [float(value) for value in outputs["prediction"]]


def _binary(rows: Rows) -> bytes:
    tensor = {"name": ONNX_INPUT, "shape": list(rows.shape), "datatype": "FP32"}
    sized = tensor | {"parameters": {"binary_data_size": rows.size * 4}}
    asked = {"name": "prediction", "parameters": {"binary_data": True}}
    return _encode({"inputs": [sized], "outputs": [asked]}) + rows.astype("<f4").tobytes()


def _binary_headers(body: bytes) -> list[tuple[str, str]]:
    _, length = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    return [("content-type", "application/octet-stream"), ("inference-header-content-length", str(length))]


def _binary_reply(reply: bytes) -> list[float]:
    header, end = json.JSONDecoder().raw_decode(reply.decode("latin-1"))
    output = next(each for each in header["outputs"] if each["name"] == "prediction")
    kind = {"FP64": "<f8", "FP32": "<f4"}[output["datatype"]]
    found: list[float] = np.frombuffer(reply[end:], kind, int(np.prod(output["shape"]))).tolist()
    return found


def _message(rows: Rows) -> bytes:
    request = service_pb2.ModelInferRequest(model_name=NAME)
    tensor = request.inputs.add(name=ONNX_INPUT, datatype="FP32")
    tensor.shape.extend(rows.shape)
    request.outputs.add(name="prediction")
    request.raw_input_contents.append(rows.astype("<f4").tobytes())
    content: bytes = request.SerializeToString()
    return content


def _message_reply(reply: bytes) -> list[float]:
    found = service_pb2.ModelInferResponse.FromString(reply)
    place = [output.name for output in found.outputs].index("prediction")
    kind = {"FP64": "<f8", "FP32": "<f4"}[found.outputs[place].datatype]
    values: list[float] = np.frombuffer(found.raw_output_contents[place], kind).tolist()
    return values


def _member(name: str, many: bool = True) -> Callable[[Rows], bytes]:
    return lambda rows: _encode({name: _short(rows) if many else _short(rows)[0]})


def _predictions(reply: bytes) -> list[float]:
    found: list[float] = json.loads(reply)["predictions"]
    return found


def _list(reply: bytes) -> list[float]:
    found: list[float] = json.loads(reply)
    return found


def _probabilities(reply: bytes) -> list[float]:
    return [float(row[1]) for row in json.loads(reply)["predictions"]["probabilities"]]


INFER = f"/v2/models/{NAME}/infer"
PLAIN = Dialect("/predict", _member("instances"), _predictions)
V1 = Dialect(f"/v1/models/{NAME}:predict", _member("instances"), _predictions)
V2 = Dialect(INFER, _tensor, _tensor_reply)
BENTOML = Dialect("/predict", _member("rows"), _list)
LITSERVE = Dialect("/predict", _member("input", many=False), lambda reply: [json.loads(reply)["output"]])
MLFLOW = Dialect("/invocations", _member("inputs"), _probabilities)
DECIDE = Dialect(f"/v2/models/{NAME}/decide", _decide(), _decided)
PEOPLE = Dialect(f"/v2/models/{NAME}/decide", _decide(purpose=PURPOSE), _decided)
EXPLAINED = Dialect(f"/v2/models/{NAME}/decide", _decide(explain=True), _explained)
BINARY = Dialect(INFER, _binary, _binary_reply, headers=_binary_headers)
BINARY_256 = Dialect(INFER, _binary, _binary_reply, rows=256, headers=_binary_headers)
GRPC = Dialect("/inference.GRPCInferenceService/ModelInfer", _message, _message_reply, grpc=True)
HELLO = Dialect("/hello", _member("instances"), lambda _: [], predicts=False)  # it answers without looking
