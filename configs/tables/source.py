"""Reads labelled rows from where they are: files, a SQL database, or a Python function."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from windvane.configs.schema import Source
from windvane.configs.tables.database import read_query
from windvane.configs.tables.files import absent_from, names_in, notes_on, part
from windvane.configs.tables.function import call
from windvane.configs.tables.listing import Listed, listing
from windvane.configs.tables.unify import Part, unify
from windvane.configs.tables.url_redaction import public

SPANS = b"windvane.files"  # schema metadata: which rows came from which file, so that a row can be named
Reader = Callable[[Sequence[Listed], Collection[str] | None], list[Part]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as they are in the source, in its order; `notes` says what was passed over."""

    table: pa.Table
    whole: bool
    notes: tuple[str, ...] = ()
    apart: Mapping[str, str] = field(default_factory=dict)  # columns that the files do not share, and why


def read_source(
    source: Source, columns: Sequence[str] | None = None, limit: int | None = None, many: Reader | None = None
) -> Rows:
    """The named columns, the first `limit` rows of each file; raises BadTable.

    Every column must be there, in every file; without names all columns are read that the files share. `many` reads the
    files instead, where there are many or large ones.
    """
    if source.source.startswith("python:"):
        table, notes = call(source.source, columns), ()
        whole = limit is None or table.num_rows <= limit
        table = table if limit is None else table.slice(0, limit)
    elif "://" in source.source:
        table, notes = read_query(source.source, source.query or "", limit), ()
        whole = limit is None or table.num_rows < limit
    else:
        return _files(source.source, columns, limit, many)
    return Rows(_selected(table, columns, public(source.source)), whole, notes)


def _files(pattern: str, columns: Sequence[str] | None, limit: int | None, many: Reader | None) -> Rows:
    found = listing(pattern)
    if columns is not None:
        for file in found.files if found.files[0].kind != "lines" else ():  # whose objects may leave members out
            there = names_in(file)
            absent = [name for name in columns if name not in there]
            if absent:
                raise absent_from(str(file.path), absent, there)
    parts = (
        (many or _each)(found.files, columns) if limit is None else [part(file, columns, limit) for file in found.files]
    )
    apart = None if columns is not None else _lacking(parts, found.files[0].kind)
    table = unify(parts, apart)
    if apart:
        table = table.select([name for name in table.column_names if name not in apart])
    table = _selected(table, columns, pattern).replace_schema_metadata(spans_of(parts))
    notes = found.notes + tuple(note for file in found.files for note in notes_on(file))
    return Rows(table, limit is None or all(one.table.num_rows < limit for one in parts), notes, apart or {})


def _lacking(parts: Sequence[Part], kind: str) -> dict[str, str]:
    """Columns that only some of the files have; objects in JSON lines may leave members out."""
    found = Counter(name for one in parts for name in set(one.table.column_names))
    few = {} if kind == "lines" else {name: count for name, count in found.items() if count < len(parts)}
    return {name: f"stands in {count} of {len(parts)} files only" for name, count in few.items()}


def spans_of(parts: Sequence[Part]) -> dict[bytes, bytes]:
    """Schema metadata that says which rows came from which file."""
    return {SPANS: json.dumps([[one.name, one.table.num_rows] for one in parts]).encode()}


def _each(files: Sequence[Listed], columns: Collection[str] | None) -> list[Part]:
    return [part(file, columns) for file in files]


def _selected(table: pa.Table, columns: Sequence[str] | None, where: str) -> pa.Table:
    if columns is None:
        return table
    absent = [name for name in columns if name not in table.column_names]
    if absent:
        raise absent_from(where, absent, table.column_names)
    return table.select(columns)
