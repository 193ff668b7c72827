"""Protocol messages over gRPC: what goes in comes out, and what does not fit is refused with a sentence."""

import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as messages

from windvane.cluster.errors import Invalid
from windvane.serve_apps.admin.inference_server import ServerMetadata
from windvane.serve_apps.protocol import oip_grpc
from windvane.serve_apps.protocol.oip_grpc import CONTENTS, reply_of, request_of
from windvane.serve_apps.protocol.tensors import BYTES, DTYPES, Tensor, from_bytes, to_bytes

WIDTHS: dict[int, Literal[16, 32, 64]] = {2: 16, 4: 32, 8: 64}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "BOOL": st.booleans(),
    BYTES: st.text(max_size=8),
    **{name: st.floats(width=WIDTHS[dtype.itemsize]) for name, dtype in DTYPES.items() if dtype.kind == "f"},
    **{
        name: st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max)
        for name, dtype in DTYPES.items()
        if dtype.kind in "iu"
    },
}


@st.composite
def tensors(draw: st.DrawFn, datatypes: tuple[str, ...] = tuple(VALUES)) -> Tensor:
    datatype = draw(st.sampled_from(datatypes))
    shape = draw(st.sampled_from([(1,), (3,), (2, 3), (0,), (4, 1)]))
    size = math.prod(shape)
    values = draw(st.lists(VALUES[datatype], min_size=size, max_size=size))
    return Tensor("x", datatype, shape, values if datatype == BYTES else np.array(values, DTYPES[datatype]))


def asked(*sent: Tensor, raw: bool) -> messages.ModelInferRequest:
    request = messages.ModelInferRequest(model_name="trips", id="r-1")
    for tensor in sent:
        message = request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if raw:
            request.raw_input_contents.append(to_bytes(tensor))
        elif tensor.datatype == BYTES:
            message.contents.bytes_contents.extend((text or "").encode() for text in tensor.values)
        else:
            getattr(message.contents, CONTENTS[tensor.datatype]).extend(list(tensor.values))
    return request


def same(one: Tensor, other: Tensor) -> bool:
    named = (one.name, one.datatype, one.shape) == (other.name, other.datatype, other.shape)
    return named and to_bytes(one) == to_bytes(other)


def received(reply: messages.ModelInferResponse, place: int) -> Tensor:
    """The output as tritonclient reads it: raw bytes first, else its contents."""
    output = reply.outputs[place]
    if reply.raw_output_contents:
        return from_bytes(output.name, output.datatype, tuple(output.shape), reply.raw_output_contents[place])
    sent = messages.ModelInferRequest(model_name="trips")
    sent.inputs.add(name=output.name, datatype=output.datatype, shape=output.shape, contents=output.contents)
    return request_of(sent).inputs[0]


@settings(max_examples=60)
@given(st.lists(tensors(), min_size=1, max_size=3))
def test_raw_tensors_come_out_as_they_went_in(sent: list[Tensor]) -> None:
    request = asked(*sent, raw=True)
    assert all(map(same, request_of(request).inputs, sent))
    reply = reply_of("trips", "3", request, sent, {})
    assert len(reply.raw_output_contents) == len(sent)
    assert all(same(received(reply, place), tensor) for place, tensor in enumerate(sent))


@settings(max_examples=60)
@given(st.lists(tensors(tuple(CONTENTS)), min_size=1, max_size=3))
def test_typed_tensors_come_out_as_they_went_in(sent: list[Tensor]) -> None:
    request = asked(*sent, raw=False)
    assert all(map(same, request_of(request).inputs, sent))
    reply = reply_of("trips", "3", request, sent, {})
    assert not reply.raw_output_contents
    assert all(same(received(reply, place), tensor) for place, tensor in enumerate(sent))


def test_the_reply_names_model_version_and_request() -> None:
    reply = reply_of("trips", "3", messages.ModelInferRequest(id="r-1"), [], {"warnings": "[]"})
    assert reply.parameters["warnings"].string_param == "[]"
    assert (reply.model_name, reply.model_version, reply.id) == ("trips", "3", "r-1")


def test_identity_outputs_and_parameters_are_read() -> None:
    request = messages.ModelInferRequest(id="r-1")
    request.outputs.add(name="prediction")
    request.parameters["subject"].string_param = "N725MQ"
    request.parameters["explain"].bool_param = True
    request.parameters["context.rank"].int64_param = -3
    request.parameters["context.risk"].double_param = 0.5
    request.parameters["context.seat"].uint64_param = 12
    found = request_of(request)
    assert (found.id, found.inputs, found.outputs) == ("r-1", (), ("prediction",))
    assert found.parameters == {
        "subject": "N725MQ",
        "explain": True,
        "context.rank": -3,
        "context.risk": 0.5,
        "context.seat": 12,
    }
    assert request_of(messages.ModelInferRequest()).id is None
    assert request_of(parameter("explain")).parameters == {"explain": None}


def typed(datatype: str, shape: list[int], **contents: list[object]) -> messages.ModelInferRequest:
    request = messages.ModelInferRequest()
    request.inputs.add(name="x", datatype=datatype, shape=shape, contents=messages.InferTensorContents(**contents))
    return request


def raw(request: messages.ModelInferRequest, *contents: bytes) -> messages.ModelInferRequest:
    request.raw_input_contents.extend(contents)
    return request


def parameter(name: str) -> messages.ModelInferRequest:
    request = messages.ModelInferRequest()
    request.parameters[name].SetInParent()
    return request


def elsewhere(kind: str) -> messages.ModelInferRequest:
    request = messages.ModelInferRequest()
    getattr(request, kind).add(name="x").parameters["shared_memory_region"].string_param = "r"
    return request


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (typed("FP64", [2], fp64_contents=[1.0]), r"has 1 values in fp64_contents; its shape \[2\] has 2"),
        (typed("FP64", [1], fp32_contents=[1.0]), "has 0 values in fp64_contents"),
        (typed("INT8", [1], int_contents=[300]), "has a value that INT8 cannot hold"),
        (typed("UINT8", [1], uint_contents=[256]), "has a value that UINT8 cannot hold"),
        (typed("FP16", [1], fp32_contents=[1.0]), "use raw_input_contents"),
        (typed("BYTES", [1], bytes_contents=[b"\xff"]), "not UTF-8"),
        (typed("FP65", [1]), "has datatype 'FP65'"),
        (typed("FP64", [-1], fp64_contents=[1.0]), r"has shape \[-1\]"),
        (raw(typed("FP64", [1], fp64_contents=[1.0]), bytes(8)), "contents beside raw_input_contents"),
        (raw(typed("FP64", [1]), bytes(8), bytes(8)), "1 inputs and 2 raw_input_contents"),
        (raw(typed("FP64", [1]), bytes(7)), "has 7 bytes"),
        (elsewhere("inputs"), "'shared_memory_region' belongs to an extension"),
        (elsewhere("outputs"), "'shared_memory_region' belongs to an extension"),
    ],
)
def test_what_does_not_fit_is_refused(request_: messages.ModelInferRequest, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        request_of(request_)


def test_the_server_says_who_it_is_whether_it_lives_and_whether_it_is_ready() -> None:
    found = oip_grpc.server_of(ServerMetadata(name="windvane", version="1.2", extensions=["binary_tensor_data"]))
    assert (found.name, found.version, list(found.extensions)) == ("windvane", "1.2", ["binary_tensor_data"])
    assert oip_grpc.live().live
    assert oip_grpc.ready(True).ready
    assert not oip_grpc.ready(False).ready
