"""Sealed columns against the records they were made from: a cell that says something else was changed."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from windvane.cluster.decision_log.read.columns import DATASETS, Dataset, Table, rows_of, schema, table
from windvane.cluster.decision_log.write.segment import Header

_NO_RECORD = (msgspec.DecodeError, UnicodeDecodeError, pa.ArrowInvalid, OverflowError)  # or with values of no column
BATCH = 1024  # rows compared at once: they and what they are made of fit a core's cache


def changed_cells(
    dataset: Dataset, stored: Table, payloads: Sequence[bytes], header: Header
) -> Iterator[tuple[int, str]]:
    """Row and column of every cell that is not what its row's record says; ("record") where that is no such record.

    A column that the file lacks counts as changed where the record has something to say in it: a field that was added
    to records after the file was sealed has its default in all of them.
    """
    names = schema(dataset, header.features, trace=False)
    unsaid = _defaults(dataset)
    held = {kind.name: _conformed(stored, kind) for kind in names if kind.name in stored.column_names}
    for first in range(0, len(payloads), BATCH):
        batch = payloads[first : first + BATCH]
        try:
            expected = table(dataset, rows_of(dataset, batch), header.features)
        except _NO_RECORD:
            bad = set(_of_another_kind(dataset, batch, header))
            good = [row for row in range(len(batch)) if row not in bad]
            yield from ((first + row, "record") for row in sorted(bad))
            some = stored.take(pa.array([first + row for row in good], pa.int64()))
            records = [batch[row] for row in good]
            yield from ((first + good[row], name) for row, name in changed_cells(dataset, some, records, header))
            continue
        for name in names.names:
            wanted = expected[name].combine_chunks()
            if name in held:
                yield from ((first + row, name) for row in _different(held[name].slice(first, len(batch)), wanted))
            else:
                said = enumerate(wanted.to_pylist())
                yield from ((first + row, name) for row, value in said if value not in (None, unsaid.get(name)))


def _defaults(dataset: Dataset) -> dict[str, Any]:
    """Value of each column in a record written before its field was known."""
    fields = msgspec.structs.fields(DATASETS[dataset])
    known = {field.name: field.default for field in fields if field.default is not msgspec.NODEFAULT}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in known.items()}


def _conformed(stored: Table, kind: Any) -> Any:
    found = stored[kind.name].combine_chunks()
    try:
        return found if found.type == kind.type else found.cast(kind.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(found), kind.type)


def _of_another_kind(dataset: Dataset, payloads: Sequence[bytes], header: Header) -> Iterator[int]:
    for row, payload in enumerate(payloads):
        try:
            table(dataset, rows_of(dataset, [payload]), header.features)
        except _NO_RECORD:
            yield row


def _different(found: Any, wanted: Any) -> list[int]:
    """Rows that differ in any bit: NaN equals the same NaN, and 0.0 is not -0.0."""
    if _same(found, wanted):
        return []
    return [row for row in range(len(wanted)) if not _same(found.slice(row, 1), wanted.slice(row, 1))]


def _same(found: Any, wanted: Any) -> bool:
    type_ = wanted.type
    if pa.types.is_map(type_):
        return _text(found) == _text(wanted)
    if pa.types.is_list(type_):
        lengths = found.value_lengths().equals(wanted.value_lengths())
        return bool(lengths and _bits(found.flatten()).equals(_bits(wanted.flatten())))
    return bool(_bits(found).equals(_bits(wanted)))


def _bits(array: Any) -> Any:
    return array.view(pa.int64()) if pa.types.is_floating(array.type) else array


def _text(array: Any) -> str | None:
    try:
        return repr(array.to_pylist())
    except UnicodeDecodeError:  # nothing that was recorded
        return None
