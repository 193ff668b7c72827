"""Reads a text file's table as text: what its cells mean is for their declaration to say."""

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.dialect import HEAD_BYTES, Dialect, cells, dialect, not_utf8
from windvane.configs.tables.kinds import kind_of, opened

BLOCK_BYTES = 2**24  # no row may be longer


def header(path: Path) -> Dialect:
    """Dialect of the file, from its first lines."""
    with opened(path) as file:
        head = _upto(file, HEAD_BYTES)
    kind = kind_of(path.name)
    return dialect(str(path), head, len(head) < HEAD_BYTES, kind.suffix if kind else ".csv")


def read_text(path: Path, columns: Collection[str] | None = None, limit: int | None = None) -> pa.Table:
    """The named columns (all without names) as text, the first `limit` rows of them; raises BadTable.

    Nothing is left out or filled in: ragged rows, a quote that is never closed and text that is not UTF-8 are refused
    with their line. A column that stands in the header twice is kept twice.
    """
    written = header(path)
    wanted = [place for place, name in enumerate(written.names) if columns is None or name in columns]
    with opened(path) as file:
        source = _Counted(file, written.encoding)
        ragged: list[tuple[int, int | None]] = []
        table = _parsed(path, source, written, wanted, limit, ragged)
    whole = limit is None or table.num_rows < limit
    long = source.lines > written.header_lines + table.num_rows  # rows over several lines, or a quote left open
    if ragged or (whole and (source.quotes % 2 or source.escapes or long)) or _runs_over_lines(table):
        _refuse_malformed(path, written)
    if ragged:
        raise BadTable(f"{path}: {len(ragged):,} rows have more or fewer cells than the header")
    names = [written.names[place] for place in wanted]
    return table.rename_columns(names)


def _parsed(
    path: Path,
    source: "_Counted",
    written: Dialect,
    wanted: list[int],
    limit: int | None,
    ragged: list[tuple[int, int | None]],
) -> pa.Table:
    def note(row: pa.csv.InvalidRow) -> str:
        ragged.append((row.actual_columns, row.number))
        return "skip"  # and refused afterwards, by its line

    columns = [f"c{place}" for place in range(len(written.names))]
    reading = pa.csv.ReadOptions(column_names=columns, skip_rows=written.header_lines, block_size=BLOCK_BYTES)
    parsing = pa.csv.ParseOptions(delimiter=written.separator, newlines_in_values=True, invalid_row_handler=note)
    converting = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(columns, pa.string()),
        include_columns=[columns[place] for place in wanted],
        strings_can_be_null=False,
    )
    empty = pa.table({columns[place]: pa.array([], pa.string()) for place in wanted})
    if source.at_end_after(written.header_lines):
        return empty
    try:
        if limit is None:
            return pa.csv.read_csv(source, reading, parsing, converting)
        with pa.csv.open_csv(source, reading, parsing, converting) as batches:
            return _first(batches, batches.schema, limit)
    except pa.ArrowInvalid as error:
        said = str(error)
        if "UTF8" in said or "UTF-8" in said:
            raise not_utf8(str(path), _bad_line(path)) from error
        if "straddl" in said or "out of sync" in said:
            _refuse_malformed(path, written)
            raise BadTable(f"{path}: holds a row longer than {BLOCK_BYTES:,} bytes") from error
        if "Empty CSV" in said:
            return empty
        raise BadTable(f"{path}: cannot be read as CSV") from error


def _first(batches: Iterator[pa.RecordBatch], schema: pa.Schema, limit: int) -> pa.Table:
    kept: list[pa.RecordBatch] = []
    for batch in batches:
        kept.append(batch)
        if sum(one.num_rows for one in kept) >= limit:
            break
    return pa.Table.from_batches(kept, schema).slice(0, limit)


def _runs_over_lines(table: pa.Table) -> bool:
    """Whether a cell holds a line break: a quote left open somewhere makes such cells, and few tables mean them."""
    return any(pc.any(pc.match_substring(column, "\n")).as_py() for column in table.columns)


def _refuse_malformed(path: Path, written: Dialect) -> None:
    """Read strictly, row by row, and name the first line that is wrong; nothing is raised when none is."""
    width, wrong, first = len(written.names), 0, ""
    with opened(path) as file:
        encoding = "utf-8-sig" if written.encoding == "utf-8" else written.encoding
        lines = io.TextIOWrapper(file, encoding, errors="replace", newline="")
        for _ in range(written.header_lines):
            lines.readline()
        reader = csv.reader(lines, delimiter=written.separator, strict=True)
        begins = written.header_lines + 1
        try:
            for record in reader:
                if record and len(record) != width:
                    wrong += 1
                    first = first or f"line {begins} has {cells(len(record))} where the header has {width}"
                begins = written.header_lines + reader.line_num + 1
        except csv.Error:
            if not wrong:
                raise BadTable(
                    f"{path}: line {begins} opens a quote that is not closed as it should be; close it, "
                    'or double it where it is part of the text ("")'
                ) from None
    if wrong:
        more = f" (and {wrong - 1:,} more)" if wrong > 1 else ""
        raise BadTable(f"{path}: {first}{more}; quote cells that hold {_spelled(written.separator)}")


def _bad_line(path: Path) -> int | None:
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return None


def _upto(file: BinaryIO, size: int) -> bytes:
    """The first bytes; decompressing readers give less than asked for before the end."""
    parts, left = [], size
    while left and (part := file.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _spelled(separator: str) -> str:
    return {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}.get(separator, repr(separator))


class _Counted(io.RawIOBase):
    """A file's bytes in UTF-8, with their quotes and lines counted on the way."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file if encoding.startswith("utf-8") else io.BytesIO(file.read().decode(encoding).encode())
        self._ahead = b""
        self.quotes = 0
        self.escapes = 0  # quotes behind a backslash, which doubles none
        self.lines = 0

    def readable(self) -> bool:
        return True

    def at_end_after(self, lines: int) -> bool:
        """Whether nothing follows the header; what was looked at is read again."""
        head = b""
        while head.count(b"\n") <= lines and len(head) < 2 * HEAD_BYTES and (part := self._file.read(HEAD_BYTES)):
            head += part
        self._ahead = head
        rest = head.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n", lines)
        return len(rest) <= lines or not rest[lines].strip()

    def read(self, size: int = -1) -> bytes:
        if self._ahead:
            size = len(self._ahead) if size < 0 else size
            data, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            data = self._file.read(size)
        self.quotes += data.count(b'"')
        self.escapes += data.count(b'\\"')
        self.lines += data.count(b"\n")
        return data
