"""The Open Inference Protocol's gRPC messages to and from what every endpoint shares."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from tritonclient.grpc import service_pb2 as messages

from windvane.cluster.errors import Invalid
from windvane.serve_apps.protocol.infer_body import ELSEWHERE
from windvane.serve_apps.protocol.inference import InferRequest
from windvane.serve_apps.protocol.tensors import BYTES, DTYPES, Tensor, elements, from_bytes, text_of, to_bytes

# FP16 has none: it comes in raw_input_contents only.
CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


class Described(Protocol):
    """Name and version of the server, and the protocol's extensions that it speaks."""

    name: str
    version: str
    extensions: list[str]


def request_of(message: messages.ModelInferRequest) -> InferRequest:
    """Read the message's request; raises Invalid when its tensors do not hold what they declare."""
    for each in (*message.inputs, *message.outputs):
        for name in ELSEWHERE:
            if name in each.parameters:
                raise Invalid(f"Parameter {name!a} belongs to an extension that is not spoken here: leave it out")
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise Invalid(
            f"There are {len(message.inputs)} inputs and {len(raw)} raw_input_contents: send one for each, or none"
        )
    if raw:
        tensors = [_raw(sent, content) for sent, content in zip(message.inputs, raw, strict=True)]
    else:
        tensors = [_typed(sent) for sent in message.inputs]
    return InferRequest(
        message.id or None,
        tuple(tensors),
        tuple(output.name for output in message.outputs),
        {name: _value(parameter) for name, parameter in message.parameters.items()},
    )


def reply_of(
    model: str,
    version: str,
    request: messages.ModelInferRequest,
    tensors: Sequence[Tensor],
    parameters: Mapping[str, str],
) -> messages.ModelInferResponse:
    """The answer, in raw bytes unless the request wrote its own tensors out."""
    typed = not request.raw_input_contents
    reply = messages.ModelInferResponse(model_name=model, model_version=version, id=request.id)
    for name, text in parameters.items():
        reply.parameters[name].string_param = text
    for tensor in tensors:
        output = reply.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if typed:
            getattr(output.contents, CONTENTS[tensor.datatype]).extend(_items(tensor))
        else:
            reply.raw_output_contents.append(to_bytes(tensor))
    return reply


def metadata_of(described: Mapping[str, Any]) -> messages.ModelMetadataResponse:
    """A model's metadata as the HTTP endpoint says it, without the parameters that gRPC has no place for."""
    tensor = messages.ModelMetadataResponse.TensorMetadata
    return messages.ModelMetadataResponse(
        name=described["name"],
        versions=described["versions"],
        platform=described["platform"],
        inputs=[
            tensor(name=each["name"], datatype=each["datatype"], shape=each["shape"]) for each in described["inputs"]
        ],
        outputs=[
            tensor(name=each["name"], datatype=each["datatype"], shape=each["shape"]) for each in described["outputs"]
        ],
    )


def live() -> messages.ServerLiveResponse:
    """That the server answers."""
    return messages.ServerLiveResponse(live=True)


def ready(whether: bool) -> messages.ServerReadyResponse:
    """Whether the server takes requests."""
    return messages.ServerReadyResponse(ready=whether)


def server_of(described: Described) -> messages.ServerMetadataResponse:
    """The server's metadata as the HTTP endpoint says it."""
    return messages.ServerMetadataResponse(
        name=described.name, version=described.version, extensions=described.extensions
    )


def _raw(sent: messages.ModelInferRequest.InferInputTensor, content: bytes) -> Tensor:
    if sent.HasField("contents") and sent.contents.ByteSize():
        raise Invalid(f"Input {sent.name!a} has contents beside raw_input_contents: send one of them")
    return from_bytes(sent.name, sent.datatype, tuple(sent.shape), content)


def _typed(sent: messages.ModelInferRequest.InferInputTensor) -> Tensor:
    name, datatype, shape = sent.name, sent.datatype, tuple(sent.shape)
    count = elements(name, datatype, shape)
    field = CONTENTS.get(datatype)
    if field is None:
        raise Invalid(f"Input {name!a} is {datatype}, which has no contents of its own: use raw_input_contents")
    values = getattr(sent.contents, field)
    if len(values) != count:
        raise Invalid(f"Input {name!a} has {len(values)} values in {field}; its shape {list(shape)} has {count}")
    if datatype == BYTES:
        return Tensor(name, datatype, shape, [text_of(name, value) for value in values])
    try:
        return Tensor(name, datatype, shape, np.fromiter(values, DTYPES[datatype], count))
    except OverflowError as error:
        raise Invalid(f"Input {name!a} has a value that {datatype} cannot hold: {error}") from error


def _items(tensor: Tensor) -> Sequence[Any]:
    if isinstance(tensor.values, np.ndarray):
        items: list[Any] = tensor.values.tolist()
        return items
    return [(text or "").encode() for text in tensor.values]


def _value(parameter: messages.InferParameter) -> bool | int | float | str | None:
    """None where the parameter is named and has no value: as if it were left out."""
    choice = parameter.WhichOneof("parameter_choice")
    value: bool | int | float | str | None = None if choice is None else getattr(parameter, choice)
    return value
