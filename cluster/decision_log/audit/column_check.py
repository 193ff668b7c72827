"""Sealed columns beside their records: which rows say the same in both, found without decoding a record.

Whatever is not looked at here, such as fields that came after a record was written, is not agreed upon: `cells.py` then
makes the row's columns anew and says which of them is another. So this may fail to see that a row is right, and never
that it is wrong.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from windvane.cluster.decision_log.audit.msgpack_columns import (
    BYTES,
    FALSE,
    FLOAT64,
    INTEGERS,
    NIL,
    TRUE,
    Agreed,
    Anything,
    Mask,
    Places,
    RecordCursors,
    Values,
    of_kind,
    same,
    text_length,
)
from windvane.cluster.decision_log.read.columns import DATASETS, Dataset, Table, context_text, schema
from windvane.cluster.decision_log.write.segment import Header

ROWS = 8192  # looked at together: their bytes and places fit a core's cache
_EXACT = 1 << 53  # beyond it not every integer is a float64
_NO_ROWS = np.empty(0, np.int64)
_ARRAY, _MAP = (0x90, 0xDC), (0x80, 0xDE)
_COLUMN = {"at": "recorded_at"}  # where a field's column has another name
_EMPTY = np.frombuffer(b"{}", "V2")


def agreeing(dataset: Dataset, stored: Table, payloads: Sequence[bytes], header: Header) -> Places:
    """The rows of which every cell is what its record says."""
    kinds = schema(dataset, header.features, trace=False)
    if dataset == "acts" or any(kind.name not in stored.column_names for kind in kinds):
        return _NO_ROWS
    found = [_NO_ROWS]
    for first in range(0, len(payloads), ROWS):
        part = stored.slice(first, ROWS)
        columns = {kind.name: part[kind.name].combine_chunks() for kind in kinds}
        if any(columns[kind.name].type != kind.type for kind in kinds):
            return _NO_ROWS
        found.append(first + _agreeing(dataset, columns, payloads[first : first + ROWS], header))
    return np.concatenate(found)


def _agreeing(dataset: Dataset, columns: Mapping[str, Any], payloads: Sequence[bytes], header: Header) -> Places:
    cursors, record = RecordCursors(payloads), DATASETS[dataset]
    fields = record.__struct_fields__
    begins = msgspec.msgpack.encode((record.__struct_config__.tag, *(None for _ in fields)))
    cursors.constant(begins[: len(begins) - len(fields)])
    for field in fields:
        if field == "features":
            cursors.enter(*_ARRAY, np.full(len(payloads), len(header.features)))
            for feature in header.features:
                cursors.hold(_values(columns[f"x_{feature.name}"]))
        elif field == "context":
            _hold_context(cursors, columns[field])
        elif field == "grounds":  # told to few: those are read one by one
            cursors.enter(*_ARRAY, np.full(len(payloads), -1), _nulls(columns[field]))
        else:
            _hold(cursors, columns[_COLUMN.get(field, field)])
    return cursors.leave()


def _hold(cursors: RecordCursors, column: Any) -> None:
    """The column's values, whichever type they have; lists and maps one member after another."""
    if not pa.types.is_nested(column.type):
        cursors.hold(_values(column))
        return
    offsets = column.offsets.to_numpy().astype(np.int64)
    first, counts = offsets[:-1], np.diff(offsets)
    is_map = pa.types.is_map(column.type)
    cursors.enter(*(_MAP if is_map else _ARRAY), counts, _nulls(column))
    parts = [_values(column.keys), _values(column.items)] if is_map else [_values(column.values)]
    for member in range(int(counts[cursors.rows].max(initial=0))):
        for part in parts:
            cursors.hold(part, first[cursors.rows] + member, counts[cursors.rows] > member)


def _hold_context(cursors: RecordCursors, column: Any) -> None:
    """What callers sent along, which stands in its column as JSON."""
    cursors.keep((cursors.tags() & 0xF0) == _MAP[0])
    starts, counts = np.zeros((2, len(column)), np.int64)
    starts[cursors.rows], counts[cursors.rows] = cursors.at, cursors.tags() & 0x0F
    cursors.enter(*_MAP, counts)
    anything = Anything()
    for member in range(2 * int(counts[cursors.rows].max(initial=0))):
        cursors.hold(anything, taking=2 * counts[cursors.rows] > member)
    offsets, chars = _texts(column)
    first, sizes, told = offsets[cursors.rows], np.diff(offsets)[cursors.rows], counts[cursors.rows] > 0
    good = ~told & (sizes == len(_EMPTY.tobytes())) & ~_nulls(column)[cursors.rows]
    places = np.flatnonzero(good)
    good[places] = same(of_kind(chars, "V2")[first[places]], _EMPTY)
    for cursor in np.flatnonzero(told).tolist():
        start, size = int(first[cursor]), int(sizes[cursor])
        content = cursors.content(int(starts[cursors.rows[cursor]]), int(cursors.at[cursor]))
        good[cursor] = _said(content) == chars[start : start + size].tobytes()
    cursors.keep(good)


def _said(context: bytes) -> bytes | None:
    try:
        return context_text(context).encode()
    except (msgspec.DecodeError, UnicodeError):
        return None


class _Texts:
    """Text, or bytes."""

    def __init__(self, column: Any) -> None:
        self._are_bytes = pa.types.is_binary(column.type)
        self._offsets, self._chars = _texts(column)
        self._nulls = _nulls(column)

    def agree(self, cursors: RecordCursors, tag: int, at: Places, ends: Places, places: Places) -> Agreed:
        """See `Values`."""
        if tag == NIL:
            return self._nulls[places], 1
        length = text_length(cursors, tag, at)
        if length is None or (tag in BYTES) != self._are_bytes:
            return _none(at)
        head, found = length
        first = self._offsets[places]
        wanted = self._offsets[places + 1] - first
        good = (wanted == found) & (at + head + wanted <= ends) & ~self._nulls[places]
        places = np.flatnonzero(good)
        for size in _distinct(wanted[places]):
            which = places[wanted[places] == size] if size else places[:0]
            ours = cursors.read(f"V{size}", at[which] + head) if size else of_kind(self._chars, "V1")[:0]
            good[which] = same(ours, of_kind(self._chars, f"V{max(1, size)}")[first[which]])
        return good, head + found


class _Floats:
    """float64, of which a record may hold integers too."""

    def __init__(self, column: Any) -> None:
        self._bits = np.ascontiguousarray(column.fill_null(0.0).to_numpy(zero_copy_only=False)).view(np.uint64)
        self._nulls = _nulls(column)

    def agree(self, cursors: RecordCursors, tag: int, at: Places, ends: Places, places: Places) -> Agreed:
        """See `Values`."""
        if tag == NIL:
            return self._nulls[places], 1
        if tag == FLOAT64:
            found, size = cursors.read(">u8", at + 1), 9
            good = np.ones(len(at), np.bool_)
        else:
            integers = _integers(cursors, tag, at)
            if integers is None:
                return _none(at)
            values, size = integers
            good = (values <= _EXACT) & (values >= -_EXACT)
            found = values.astype(np.float64).view(np.uint64)
        return good & (found == self._bits[places]) & (at + size <= ends) & ~self._nulls[places], size


class _Integers:
    """int64 or uint64."""

    def __init__(self, column: Any) -> None:
        self._values = column.fill_null(0).to_numpy(zero_copy_only=False)
        self._nulls = _nulls(column)

    def agree(self, cursors: RecordCursors, tag: int, at: Places, ends: Places, places: Places) -> Agreed:
        """See `Values`."""
        if tag == NIL:
            return self._nulls[places], 1
        integers = _integers(cursors, tag, at)
        if integers is None:
            return _none(at)
        values, size = integers
        limits = np.iinfo(self._values.dtype)
        fits = (values <= limits.max) if values.dtype == np.uint64 else (values >= max(limits.min, -(1 << 63)))
        good = fits & (values.astype(self._values.dtype) == self._values[places])
        return good & (at + size <= ends) & ~self._nulls[places], size


class _Booleans:
    """True, false."""

    def __init__(self, column: Any) -> None:
        self._values = column.fill_null(False).to_numpy(zero_copy_only=False)
        self._nulls = _nulls(column)

    def agree(self, _: RecordCursors, tag: int, at: Places, ends: Places, places: Places) -> Agreed:
        """See `Values`."""
        if tag == NIL:
            return self._nulls[places], 1
        if tag not in (FALSE, TRUE):
            return _none(at)
        return (self._values[places] == (tag == TRUE)) & ~self._nulls[places] & (at < ends), 1


def _values(column: Any) -> Values:
    kind = column.type
    if pa.types.is_floating(kind):
        return _Floats(column)
    if pa.types.is_integer(kind):
        return _Integers(column)
    return _Booleans(column) if pa.types.is_boolean(kind) else _Texts(column)


def _integers(cursors: RecordCursors, tag: int, at: Places) -> tuple[NDArray[Any], int] | None:
    """The integers behind this tag, int64 or (of eight bytes without a sign) uint64, and how many bytes each has."""
    if tag <= 0x7F or tag >= 0xE0:
        return np.full(len(at), tag if tag <= 0x7F else tag - 256, np.int64), 1
    if tag not in INTEGERS:
        return None
    kind = np.dtype(INTEGERS[tag])
    return cursors.read(kind.str, at + 1).astype(np.uint64 if kind == ">u8" else np.int64), 1 + kind.itemsize


def _texts(column: Any) -> tuple[Places, NDArray[np.uint8]]:
    """Where each text begins, with where the last one ends, and all their bytes."""
    _, offsets, chars = column.buffers()
    begins = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    return begins, np.frombuffer(chars, np.uint8) if chars is not None and chars.size else np.empty(0, np.uint8)


def _nulls(column: Any) -> Mask:
    if not column.null_count:
        return np.zeros(len(column), np.bool_)
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def _distinct(sizes: Places) -> list[int]:
    found = sizes[:1] if not len(sizes) or sizes.min() == sizes.max() else np.unique(sizes)
    return [int(size) for size in found]


def _none(at: Places) -> Agreed:
    return np.zeros(len(at), np.bool_), 0
