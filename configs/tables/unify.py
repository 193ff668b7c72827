"""Brings the columns of several files or batches to one type, where nothing is lost by it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from windvane.configs.tables.bad_table import BadTable


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one file or batch, by a name for people."""

    name: str
    table: pa.Table


def unify(parts: Sequence[Part], apart: dict[str, str] | None = None) -> pa.Table:
    """All rows in order; raises BadTable naming column, both parts and both types.

    Numbers are widened, days become moments, and what is text in one part is read as text in all of them. A column that
    a part does not have is null there. Where `apart` is given, columns that cannot be one go there with the reason.
    """
    if len(parts) == 1:
        return parts[0].table
    names = list(dict.fromkeys(name for part in parts for name in part.table.column_names))
    for name in names:
        twice = next((part.name for part in parts if part.table.column_names.count(name) > 1), None)
        if twice:
            raise BadTable(f"{twice} has more than one column {name!r}; rename all but one")
    columns: dict[str, pa.ChunkedArray] = {}
    for name in names:
        try:
            columns[name] = _column(name, parts)
        except BadTable as error:
            if apart is None:
                raise
            apart[name] = str(error).removeprefix(f"column {name!r} ")
    return pa.table(columns)


def _column(name: str, parts: Sequence[Part]) -> pa.ChunkedArray:
    held = [(part, _plain(part.table.column(name)) if name in part.table.column_names else None) for part in parts]
    kind, origin = pa.null(), ""
    for part, column in held:
        if column is None or column.type == kind:
            continue
        joined = _joined(kind, column.type)
        if joined is None:
            raise BadTable(
                f"column {name!r} is {spelled(kind)} in {origin} and {spelled(column.type)} in {part.name}; "
                "write both files with the same type"
            )
        kind, origin = joined, origin if joined == kind else part.name
    chunks: list[pa.Array] = []
    for part, column in held:
        column = pa.chunked_array([pa.nulls(part.table.num_rows)]) if column is None else column
        try:
            chunks += _as(column, kind).chunks
        except pa.ArrowInvalid as error:
            raise BadTable(
                f"column {name!r} is {spelled(column.type)} in {part.name} and {spelled(kind)} in {origin}, which "
                "cannot hold all of its numbers; write both files with the same type"
            ) from error
    return pa.chunked_array(chunks, type=kind)


def spelled(kind: pa.DataType) -> str:
    """A type as people say it.

    >>> spelled(pa.int64()), spelled(pa.timestamp("us", "UTC")), spelled(pa.large_string())
    ('int64', 'timestamp[us, tz=UTC]', 'text')
    """
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else str(kind)


def _joined(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both; None where there is none."""
    if pa.types.is_null(one) or one == other:
        return other
    if pa.types.is_null(other):
        return one
    if _number(one) and _number(other):
        return _widest(one, other)
    if _moment(one) and _moment(other):
        zoned = getattr(one, "tz", None) or getattr(other, "tz", None)
        return pa.timestamp("us", tz="UTC" if zoned else None)
    apart = (_moment(one) and _number(other)) or (_number(one) and _moment(other))
    if _readable(one) and _readable(other) and not apart:
        return pa.string()
    return None


def _widest(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if pa.types.is_integer(one) and pa.types.is_integer(other):
        return pa.int64()
    return pa.float64()


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(column.type):
        return pc.cast(pc.cast(column, pa.timestamp("us", tz=column.type.tz), safe=False), kind)
    if pa.types.is_float64(kind) and pa.types.is_decimal(column.type):
        return pc.cast(column, kind, safe=False)
    return pc.cast(column, kind)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(pc.cast(column, kind.value_type))
    if pa.types.is_large_string(kind) or str(kind) == "string_view":
        return pc.cast(column, pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(pa.chunked_array([chunk.storage for chunk in column.chunks], type=kind.storage_type))
    return column


def plain(table: pa.Table) -> pa.Table:
    """The table without dictionaries, large text and extension types."""
    return pa.Table.from_arrays([_plain(column) for column in table.columns], names=table.column_names)


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _readable(kind: pa.DataType) -> bool:
    """Whether its values can be written as text and read again."""
    return bool(_number(kind) or _moment(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind))
