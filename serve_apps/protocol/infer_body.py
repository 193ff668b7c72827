"""The body of an infer request over HTTP: JSON, followed by tensors in the binary form when a header says so."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from windvane.cluster.errors import Invalid, Malformed
from windvane.serve_apps.protocol.casts import text, truth, whole
from windvane.serve_apps.protocol.features import shown
from windvane.serve_apps.protocol.inference import InferRequest
from windvane.serve_apps.protocol.strict_json import DEEPEST, parse, too_deep
from windvane.serve_apps.protocol.tensors import BOOL, BYTES, DTYPES, Tensor, elements, from_bytes

LONGEST_NAME = 256
MOST_TENSORS = 4096
NESTED = re.compile(rb"\s*\[\s*\[")
DEFAULT_BINARY, BINARY, SIZE = "binary_data_output", "binary_data", "binary_data_size"
ELSEWHERE = ("shared_memory_region", "classification")  # extensions that are not spoken here

Name = Annotated[str, Meta(max_length=LONGEST_NAME)]
Parameters = dict[str, Any] | UnsetType | None


class SentInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input as JSON has it: with its values, or with how many bytes they take behind the JSON."""

    name: Name
    shape: Annotated[list[int], Meta(max_length=8)]
    datatype: Name
    parameters: Parameters = UNSET
    data: msgspec.Raw | UnsetType = UNSET  # null too: then it is as if it were left out


class SentOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One output that is asked for."""

    name: Name
    parameters: Parameters = UNSET


class SentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole request; `model_name` is what KServe's client repeats from the path."""

    inputs: Annotated[list[SentInput], Meta(max_length=MOST_TENSORS)]
    id: str | int | UnsetType | None = UNSET
    outputs: Annotated[list[SentOutput], Meta(max_length=MOST_TENSORS)] | UnsetType | None = UNSET
    parameters: Parameters = UNSET
    model_name: Name | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class InferBody:
    """Questions of one request, and the outputs that go back as bytes."""

    request: InferRequest
    binary: frozenset[str]
    binary_by_default: bool

    def is_binary(self, output: str) -> bool:
        """Whether this output goes back as bytes behind the JSON."""
        return output in self.binary if self.request.outputs else self.binary_by_default


_decoder = msgspec.json.Decoder(SentRequest)


def read_infer(body: bytes, json_bytes: int | None, model: str) -> InferBody:
    """The request in a body whose first `json_bytes` are JSON (None: all of them); raises Malformed or Invalid."""
    head = body if json_bytes is None else body[:json_bytes]
    if json_bytes is not None and json_bytes > len(body):
        raise Malformed(f"The body has {len(body)} bytes, fewer than the {json_bytes} its header announces as JSON")
    tail = memoryview(body)[len(head) :]
    head = _without_nan(head)
    sent = _decode(_decoder.decode, head, "request")
    if sent.model_name not in (UNSET, None, model):
        raise Invalid(f"model_name is {str(sent.model_name)[:64]!a}; the path says {model!a}: leave it out")
    _refuse_repeated_keys(head, sent)
    tensors = []
    for each in sent.inputs:
        tensor, used = _tensor(each, tail)
        tensors.append(tensor)
        tail = tail[used:]
    if len(tail):
        raise Invalid(f"{len(tail)} bytes follow the last input; give their number as its parameter {SIZE!a}")
    parameters = _parameters(sent)
    by_default = _flag(parameters, DEFAULT_BINARY, False)
    outputs = sent.outputs or []
    binary = [each.name for each in outputs if _flag(_parameters(each), BINARY, by_default)]
    names = tuple(each.name for each in outputs)
    request_id = None if sent.id in (UNSET, None) else str(sent.id)
    return InferBody(InferRequest(request_id, tuple(tensors), names, parameters), frozenset(binary), by_default)


def _decode(decode: Callable[[Any], Any], raw: bytes | msgspec.Raw, what: str) -> Any:
    try:
        return decode(raw)
    except (ValueError, RecursionError) as error:
        parse(bytes(raw))  # says it better when it is no JSON at all
        raise Invalid(f"The {what} cannot be read: {error}") from error


def _without_nan(head: bytes) -> bytes:
    """JSON without a byte order mark, and with null for each NaN, which Python's own encoder writes for no number."""
    head = head.removeprefix(BOM_UTF8)
    if b"NaN" not in head:
        return head
    tree = parse(head, nan_is_null=True)
    try:
        return json.dumps(tree, allow_nan=False).encode()
    except ValueError as error:
        raise Invalid("The request holds a number beyond float64: leave it out, or send null") from error


def _tensor(sent: SentInput, tail: memoryview) -> tuple[Tensor, int]:
    """The tensor, and how many bytes of `tail` it took."""
    size = _parameters(sent).get(SIZE)
    data = None if sent.data is UNSET or bytes(sent.data) == b"null" else sent.data
    if size is None:
        if data is None:
            raise Invalid(f"Input {sent.name!a} has neither data nor the parameter {SIZE!a}")
        return _from_json(sent, data), 0
    if data is not None:
        raise Invalid(f"Input {sent.name!a} has data and the parameter {SIZE!a}: send one of them")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(tail):
        raise Invalid(
            f"Input {sent.name!a} has a {SIZE} that is not among the {len(tail)} bytes that are left behind the JSON; "
            "the header Inference-Header-Content-Length says where the JSON ends"
        )
    return from_bytes(sent.name, sent.datatype, sent.shape, tail[:size]), size


def _from_json(sent: SentInput, data: msgspec.Raw) -> Tensor:
    count = elements(sent.name, sent.datatype, sent.shape)
    depth = len(sent.shape) if NESTED.match(data) else 1
    written = True
    try:
        values = _values(sent.datatype, depth)(data)
    except (ValueError, RecursionError):
        written, values = False, _decode(_any_values(depth), data, f"data of input {sent.name!a}")
    if depth > 1:
        values = _flat(sent, values)
    if not written:
        values = [_cast(sent, value) for value in values]
    if len(values) != count:
        raise Invalid(f"Input {sent.name!a} has {len(values)} values; shape {sent.shape} has {count}")
    shape = tuple(sent.shape)
    if sent.datatype == BYTES:
        return Tensor(sent.name, BYTES, shape, values)
    dtype = DTYPES[sent.datatype]
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, np.float64 if dtype.kind == "f" else dtype).astype(dtype)
    except OverflowError as error:
        raise Invalid(f"Input {sent.name!a} holds an integer that is no {sent.datatype}") from error
    if dtype.kind == "f" and bool(np.isinf(array).any()):
        raise Invalid(f"Input {sent.name!a} holds a number beyond {sent.datatype}")
    return Tensor(sent.name, sent.datatype, shape, array)


@cache
def _values(datatype: str, depth: int) -> Callable[[bytes | msgspec.Raw], Any]:
    """Decodes data of a datatype, nested so deep; null is a missing value where the datatype has one."""
    kind: Any
    if datatype == BYTES:
        kind = str | None
    elif datatype == BOOL:
        kind = bool
    elif DTYPES[datatype].kind == "f":
        kind = float | None
    else:
        kind = int
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind).decode


@cache
def _any_values(depth: int) -> Callable[[bytes | msgspec.Raw], Any]:
    """Decodes data whose values are written in another JSON type than the datatype's."""
    kind: Any = bool | int | float | str | None
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind).decode


def _cast(sent: SentInput, value: Any) -> Any:
    """The value as the datatype has it, where that loses nothing; raises Invalid."""
    kind = "" if sent.datatype == BYTES else DTYPES[sent.datatype].kind
    taken: Any = None
    match kind:
        case "":
            taken = value if value is None or isinstance(value, str) else text(value)
            fits = taken is None or isinstance(taken, str)
        case "f":
            taken, fits = value, not isinstance(value, str)
        case "b":
            taken = truth(value)
            fits = taken is not None
        case _:
            taken = whole(value)
            fits = taken is not None
    if not fits:
        raise Invalid(f"Input {sent.name!a} holds {shown(value)}, which is no {sent.datatype}")
    return taken


def _flat(sent: SentInput, values: list[Any]) -> list[Any]:
    for size in sent.shape[1:]:
        if any(len(each) != size for each in values):
            raise Invalid(f"Input {sent.name!a} is nested otherwise than its shape {sent.shape} says")
        values = [value for each in values for value in each]
    return values


def _flag(parameters: dict[str, Any], name: str, usual: bool) -> bool:
    sent = parameters.get(name)
    flag = usual if sent is None else truth(sent)
    if flag is None:
        raise Invalid(f"Parameter {name!a} must be true or false")
    return flag


def _parameters(sent: SentInput | SentOutput | SentRequest) -> dict[str, Any]:
    if not sent.parameters:
        return {}
    for name in ELSEWHERE:
        if sent.parameters.get(name):
            raise Invalid(f"Parameter {name!a} belongs to an extension that is not spoken here: leave it out")
    return sent.parameters


def _refuse_repeated_keys(head: bytes, sent: SentRequest) -> None:
    """More colons than members: text was escaped, or a key stands twice, which the strict reader refuses.

    What stands in `data` is counted out: it holds values and no members.
    """
    colons, escapes = head.count(b":"), head.count(b"\\")
    members = _members(sent)
    for each in sent.inputs:
        if each.data is not UNSET:
            raw = bytes(each.data)
            colons -= raw.count(b":")
            escapes -= raw.count(b"\\")
    if escapes or colons != members:
        parse(head)


def _members(value: object, level: int = 0) -> int:
    """Number of colons in the JSON of a value when no key is repeated and no text is escaped."""
    if level > DEEPEST:
        raise too_deep()
    match value:
        case str():
            return value.count(":")
        case dict():
            names: list[str] = list(value)
            members = len(names) + sum(name.count(":") for name in names)
            return members + sum(map(_members, value.values(), repeat(level + 1)))
        case list():
            return sum(map(_members, value, repeat(level + 1)))
        case SentInput() | SentOutput() | SentRequest():
            present: list[object] = [each for each in msgspec.structs.astuple(value) if each is not UNSET]
            return len(present) + sum(map(_members, present, repeat(level + 1)))
    return 0
