"""Reads Universal Binary JSON as XGBoost writes it: numbers big-endian, typed arrays as numpy arrays."""

import struct
from typing import Any

import numpy as np

from windvane.cluster.errors import Malformed

_NUMBERS = {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q", b"d": "f", b"D": "d"}  # marker → struct's letter
_WORDS = {b"Z": None, b"T": True, b"F": False}
_DEEPEST = 64


def decode(document: bytes) -> Any:
    """The value that `document` holds; raises Malformed where it is cut short or not UBJSON.

    >>> decode(b"{i" + bytes([1]) + b"a[$d#i" + bytes([1]) + bytes.fromhex("3f000000") + b"}")
    {'a': array([0.5], dtype=float32)}
    """
    reader = _Reader(document)
    try:
        return reader.value(reader.take(1), 0)
    except (struct.error, UnicodeDecodeError) as error:
        raise Malformed(f"The UBJSON document is damaged near byte {reader.place}: {error}") from error


class _Reader:
    def __init__(self, document: bytes) -> None:
        self._document = document
        self.place = 0

    def take(self, size: int) -> bytes:
        start, self.place = self.place, self.place + size
        if size < 0 or self.place > len(self._document):
            raise Malformed(f"The UBJSON document ends at byte {len(self._document)}, in the middle of a value")
        return self._document[start : self.place]

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > _DEEPEST:
            raise Malformed(f"The UBJSON document nests deeper than {_DEEPEST} levels")
        if marker in _NUMBERS:
            letter = ">" + _NUMBERS[marker]
            return struct.unpack(letter, self.take(struct.calcsize(letter)))[0]
        match marker:
            case b"S":
                return self._text()
            case b"{":
                return self._object(depth)
            case b"[":
                return self._array(depth)
            case b"C":
                return self.take(1).decode("ascii")
        if marker in _WORDS:
            return _WORDS[marker]
        raise Malformed(f"Unknown UBJSON marker {marker!r} before byte {self.place}")

    def _peek(self) -> bytes:
        return self._document[self.place : self.place + 1]

    def _length(self) -> int:
        marker = self.take(1)
        size = self.value(marker, 0) if marker in _NUMBERS else None
        if not isinstance(size, int) or size < 0:
            raise Malformed(f"No length stands before byte {self.place} of the UBJSON document")
        return size

    def _text(self) -> str:
        return self.take(self._length()).decode()

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        left = self._counted()
        while left is None or left > 0:
            if left is None and self._peek() == b"}":
                self.take(1)
                break
            name = self._text()
            found[name] = self.value(self.take(1), depth + 1)
            left = None if left is None else left - 1
        return found

    def _array(self, depth: int) -> Any:
        if self._peek() == b"$":
            self.take(1)
            marker = self.take(1)
            if marker not in _NUMBERS or self.take(1) != b"#":
                raise Malformed(f"A typed UBJSON array of {marker!r} before byte {self.place} cannot be read")
            kind = np.dtype(_NUMBERS[marker]).newbyteorder(">")
            count = self._length()
            return np.frombuffer(self.take(count * kind.itemsize), kind).astype(kind.newbyteorder("="))
        left = self._counted()
        found: list[Any] = []
        while left is None or len(found) < left:
            marker = self.take(1)
            if left is None and marker == b"]":
                break
            found.append(self.value(marker, depth + 1))
        return found

    def _counted(self) -> int | None:
        if self._peek() != b"#":
            return None
        self.take(1)
        return self._length()
