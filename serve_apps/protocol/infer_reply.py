"""The reply to an infer request over HTTP: JSON, followed by the outputs that were wanted as bytes."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from windvane.cluster.errors import Invalid, WindvaneError
from windvane.serve_apps.protocol.infer_body import SIZE, InferBody
from windvane.serve_apps.protocol.inference import AskedRows, Inference, version_of
from windvane.serve_apps.protocol.problem import Response, problem
from windvane.serve_apps.protocol.question import Answer
from windvane.serve_apps.protocol.tensors import to_bytes

JSON = (b"content-type", b"application/json")
BINARY = (b"content-type", b"application/octet-stream")
HEADER_LENGTH = b"inference-header-content-length"
OWN_PATHS = ("/decide", "/outcomes")  # beside the protocol's, under a model's path
UNREADABLE = 400  # the one status for a refused request that the protocol's own document names


class SentBack(msgspec.Struct, frozen=True, omit_defaults=True):
    """One output; `data` is flat in C order, and stands behind the JSON when the parameters give its size."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: dict[str, int] | None = None
    data: Any = None


class InferReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole reply; `model_version` stands for all rows or is left out."""

    model_name: str
    outputs: list[SentBack]
    model_version: str = ""
    id: str | None = None
    parameters: dict[str, str] | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The protocol's error body."""

    error: str


_encoder = msgspec.json.Encoder()


def infer_reply(
    model: str, inference: Inference, body: InferBody, asked: AskedRows, answers: Sequence[Answer]
) -> Response:
    """The answers in the form that `body` asks for."""
    outputs: list[SentBack] = []
    tail: list[bytes] = []
    for tensor in inference.outputs(answers, inference.wanted(body.request)):
        if body.is_binary(tensor.name):
            tail.append(to_bytes(tensor))
            outputs.append(SentBack(tensor.name, tensor.datatype, tensor.shape, {SIZE: len(tail[-1])}))
        else:
            values = tensor.values.tolist() if isinstance(tensor.values, np.ndarray) else tensor.values
            outputs.append(SentBack(tensor.name, tensor.datatype, tensor.shape, None, values))
    head = _encoder.encode(InferReply(model, outputs, version_of(answers), body.request.id, asked.parameters() or None))
    if not tail:
        return Response(200, head, (JSON,))
    return Response(200, b"".join((head, *tail)), (BINARY, (HEADER_LENGTH, b"%d" % len(head))))


def refusal(error: WindvaneError, path: str) -> Response:
    """The reply for an error at a path of the protocol: its text alone, with the status and headers it always has."""
    usual = problem(error, path)
    status = UNREADABLE if isinstance(error, Invalid) else error.status
    headers = (JSON, *(each for each in usual.headers if each[0] != b"content-type"))
    return Response(status, _encoder.encode(Refusal(error.line)), headers)


def refusal_at(error: WindvaneError, path: str) -> Response:
    """The reply for an error in the form that its path speaks: ours is problem details."""
    is_protocol = f"{path}/".startswith("/v2/") and not path.endswith(OWN_PATHS)
    return refusal(error, path) if is_protocol else problem(error, path)
