"""Reads the table in one file, whatever its kind."""

import lzma
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.delimited import header, read_text
from windvane.configs.tables.kinds import demand_parquet, opened
from windvane.configs.tables.listing import Listed
from windvane.configs.tables.unify import Part, plain

_BROKEN = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def read_file(file: Listed, columns: Collection[str] | None = None, limit: int | None = None) -> pa.Table:
    """The named columns that the file has (all without names), the first `limit` rows of them; raises BadTable.

    Text files give text. A name that stands in the file twice is refused when it is asked for.
    """
    with Guarded(file.path):
        if columns is not None:
            _refuse_twice(file, columns)
        if file.kind == "parquet":
            table = _parquet(file.path, columns, limit)
        elif file.kind == "lines":
            table = _lines(file.path, columns, limit)
        else:
            table = read_text(file.path, columns, limit)
        for name, value in file.parts:
            if name not in table.column_names and (columns is None or name in columns):
                table = table.append_column(name, pa.array([value] * table.num_rows, pa.string()))
        return plain(table)


def names_in(file: Listed) -> list[str]:
    """The columns the file has, without reading its rows."""
    with Guarded(file.path):
        if file.kind == "parquet":
            demand_parquet(file.path)
            names = list(pa.parquet.read_schema(file.path).names)
        elif file.kind == "lines":
            names = _lines(file.path, None, 1000).column_names
        else:
            names = list(header(file.path).names)
        return names + [name for name, _ in file.parts if name not in names]


def notes_on(file: Listed) -> tuple[str, ...]:
    """Notes on what a reader passes over in the file."""
    with Guarded(file.path):
        return header(file.path).notes if file.kind == "text" else ()


def absent_from(file: str, names: list[str], there: Collection[str]) -> BadTable:
    """The sentence for columns that a source does not have."""
    shown = ", ".join(list(there)[:30]) + (f" and {len(there) - 30} more" if len(there) > 30 else "")
    alone = "; columns are parted by commas, semicolons, tabs or bars" if len(there) == 1 else ""
    return BadTable(f"{file} has no column {', '.join(map(repr, names))}; it has: {shown}{alone}")


class Guarded:
    """Turns what goes wrong while a file is read into a BadTable that names the file and never shows its rows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, _BROKEN) or (isinstance(error, OSError) and error.errno is None):
            raise BadTable(f"{self._path}: is damaged or ends too early; make or copy it anew") from error
        if isinstance(error, OSError):
            raise BadTable(
                f"{self._path}: cannot be read: {error.strerror}", isinstance(error, FileNotFoundError)
            ) from error
        if isinstance(error, UnicodeDecodeError):
            raise BadTable(f"{self._path}: holds text that is not UTF-8; save it as UTF-8") from error
        if isinstance(error, pa.ArrowException | MemoryError):
            raise BadTable(f"{self._path}: cannot be read ({type(error).__name__})") from error


def _refuse_twice(file: Listed, columns: Collection[str]) -> None:
    names = names_in(file) if file.kind != "lines" else []
    twice = sorted({name for name in names if name in columns and names.count(name) > 1})
    if twice:
        raise BadTable(f"{file.path}: has more than one column {', '.join(map(repr, twice))}; rename all but one")


def _parquet(path: Path, columns: Collection[str] | None, limit: int | None) -> pa.Table:
    demand_parquet(path)
    opened_file = pa.parquet.ParquetFile(path)
    names = opened_file.schema_arrow.names
    wanted = [name for name in names if columns is None or name in columns]
    if limit is None or opened_file.metadata.num_rows <= limit:
        return opened_file.read(columns=wanted)
    kept: list[pa.RecordBatch] = []
    for batch in opened_file.iter_batches(batch_size=65_536, columns=wanted):
        kept.append(batch)
        if sum(one.num_rows for one in kept) >= limit:
            break
    return pa.Table.from_batches(kept).slice(0, limit)


def _lines(path: Path, columns: Collection[str] | None, limit: int | None) -> pa.Table:
    """JSON objects, one a line; a member whose type changes along the file is read as text."""
    with opened(path) as file:
        data = file.read() if limit is None else b"".join(line for line, _ in zip(file, range(limit), strict=False))
    try:
        table = pa.json.read_json(pa.BufferReader(data), pa.json.ReadOptions(block_size=max(2**20, len(data) + 1)))
    except pa.ArrowInvalid:
        table = _objects(path, data)
    return table if columns is None else table.select([name for name in table.column_names if name in columns])


def _objects(path: Path, data: bytes) -> pa.Table:
    import msgspec

    rows: list[dict[str, Any]] = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise BadTable(f"{path}: line {number} is no JSON object; write one object a line") from error
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: from_values([row.get(name) for row in rows]) for name in names})


def from_values(values: list[Any]) -> pa.Array:
    """A column of Python values: of one type where they have one, as text where they have several."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array([None if value is None else text_of(value) for value in values], pa.string())


def text_of(value: Any) -> str:
    """A value as a file would write it.

    >>> text_of(True), text_of(2.0), text_of(7)
    ('true', '2.0', '7')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def part(file: Listed, columns: Collection[str] | None = None, limit: int | None = None) -> Part:
    """The rows of one file, by its name and the folders that are part of it."""
    name = "/".join([*(f"{column}={value}" for column, value in file.parts), file.path.name])
    return Part(name, read_file(file, columns, limit))
