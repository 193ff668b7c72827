"""Tensors of the Open Inference Protocol: what one is, and its bytes in the binary form that HTTP and gRPC share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.errors import Invalid

BYTES, BOOL = "BYTES", "BOOL"
DTYPES: dict[str, np.dtype[Any]] = {
    BOOL: np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_LENGTH = Struct("<I")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named array, flat and in C order: an array of the datatype's dtype, or texts when it is BYTES.

    None among the texts is a missing value, which only JSON can say.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: NDArray[Any] | Sequence[str | None]


def elements(name: str, datatype: str, shape: Sequence[int]) -> int:
    """Number of values in a tensor of this shape; raises Invalid when it cannot have such a datatype or shape.

    >>> elements("x", "FP32", (2, 3))
    6
    """
    if datatype != BYTES and datatype not in DTYPES:
        raise Invalid(f"Input {name!a} has datatype {datatype[:20]!a}; there are {', '.join(DTYPES)} and {BYTES}")
    if not shape or len(shape) > 8 or any(not 0 <= size < 2**31 for size in shape):
        raise Invalid(f"Input {name!a} has shape {_shown(shape)}; send [rows] or [rows, columns]")
    return math.prod(shape)


def from_bytes(name: str, datatype: str, shape: Sequence[int], raw: bytes | memoryview) -> Tensor:
    """The tensor whose values stand in `raw`: little-endian numbers, or texts that each follow their uint32 length.

    Raises Invalid when `raw` holds more or less than the shape says, or something else than the datatype.
    """
    count = elements(name, datatype, shape)
    if datatype == BYTES:
        return Tensor(name, datatype, tuple(shape), _texts(name, count, raw))
    dtype = DTYPES[datatype]
    if len(raw) != count * dtype.itemsize:
        raise Invalid(
            f"Input {name!a} has {len(raw)} bytes; {datatype} of shape {_shown(shape)} has {count * dtype.itemsize}"
        )
    if datatype == BOOL and count and int(np.frombuffer(raw, np.uint8).max()) > 1:
        raise Invalid(f"Input {name!a} has a byte that is no BOOL: send 0 or 1")
    return Tensor(name, datatype, tuple(shape), np.frombuffer(raw, dtype))


def to_bytes(tensor: Tensor) -> bytes:
    """The values in the binary form.

    >>> to_bytes(Tensor("action", "BYTES", (2,), ["no", "yes"]))
    b'\\x02\\x00\\x00\\x00no\\x03\\x00\\x00\\x00yes'
    """
    if isinstance(tensor.values, np.ndarray):
        return tensor.values.tobytes()
    texts = [text or "" for text in tensor.values]
    lengths = set(map(len, texts))
    if len(lengths) == 1 and max(lengths) < 128 and "".join(texts).isascii():  # ids and such: one encoding for all
        length = chr(max(lengths)) + "\0\0\0"
        return (length + length.join(texts)).encode()
    framed = {text: _LENGTH.pack(len(text.encode())) + text.encode() for text in set(texts)}
    return b"".join([framed[text] for text in texts])


def text_of(name: str, raw: bytes) -> str:
    """One BYTES element as text; raises Invalid when it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"Input {name!a} holds text that is not UTF-8: {error.reason}") from error


def _texts(name: str, count: int, raw: bytes | memoryview) -> list[str]:
    whole = bytes(raw)
    if len(whole) < count * _LENGTH.size:
        raise Invalid(f"Input {name!a} has {len(whole)} bytes, too few for {count} texts that follow their lengths")
    texts = []
    place = 0
    for _ in range(count):
        start = place + _LENGTH.size
        place = start + _LENGTH.unpack_from(whole, place)[0] if start <= len(whole) else len(whole) + 1
        if place > len(whole):
            raise Invalid(f"Input {name!a} ends within a text: each follows its length as a uint32, least byte first")
        texts.append(text_of(name, whole[start:place]))
    if place != len(whole):
        raise Invalid(f"Input {name!a} has {len(whole) - place} bytes more than its {count} texts")
    return texts


def _shown(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(str, shape[:8]))}{', …' if len(shape) > 8 else ''}]"
