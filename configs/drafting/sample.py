"""Rows of a source, read to draft a declaration from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from windvane.configs.complaint import BadDeclaration, Complaint
from windvane.configs.schema import Source
from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.listing import listing
from windvane.configs.tables.source import read_source
from windvane.configs.tables.url_redaction import public

WHOLE_BYTES = 512 * 2**20  # up to here every row is read
SAMPLE_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows, whether they are all there are, and what was passed over."""

    rows: pa.Table
    whole: bool
    notes: tuple[str, ...] = ()
    apart: Mapping[str, str] = field(default_factory=dict)  # columns that the files do not share, and why


def refuse(source: str, what: str, column: str = "") -> BadDeclaration:
    """The one sentence that says why nothing can be drafted from the source."""
    return BadDeclaration([Complaint(public(source), column, None, what)])


def read_sample(source: Source) -> Sample:
    """Every row, or the first million of a very large source; raises BadDeclaration with a sentence."""
    try:
        found = read_source(source, None, _limit(source))
    except BadTable as error:
        raise refuse(source.source, _without_address(str(error), source.source)) from error
    rows = found.table
    if rows.num_rows == 0:
        raise refuse(source.source, "has a header and no rows" if rows.num_columns else "is empty")
    return Sample(rows, found.whole, found.notes, found.apart)


def _without_address(what: str, address: str) -> str:
    """The sentence behind the address that a complaint puts before it anyway."""
    for beginning in ("data.source ", "data.query on ", f"{public(address)}: ", f"{public(address)} "):
        what = what.removeprefix(beginning)
    return what


def _limit(source: Source) -> int | None:
    if source.source.startswith("python:") or "://" in source.source:
        return SAMPLE_ROWS
    files = listing(source.source).files
    large = sum(os.path.getsize(file.path) for file in files) > WHOLE_BYTES
    return max(1000, SAMPLE_ROWS // len(files)) if large else None
