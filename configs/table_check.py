"""Looks at a model's first rows before anything is trained: what the source lacks, and what does not hold in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windvane.configs.complaint import UnplacedComplaint, nearest
from windvane.configs.document import Path
from windvane.configs.drafting.leaks import suspicion
from windvane.configs.drafting.names import is_protected, is_proxy
from windvane.configs.drafting.unfit import unfit
from windvane.configs.schema import Attribute, Feature, ModelSpec
from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.coerce import held
from windvane.configs.tables.files import names_in, notes_on, part
from windvane.configs.tables.listing import Listed, listing
from windvane.configs.tables.source import Rows, read_source, spans_of
from windvane.configs.tables.unify import unify

HEAD = 20_000  # rows of each file that are looked at
MOST_FILES = 20  # whose rows are looked at; of the others the header is
_UNKNOWN = 0.1  # share of rows with an undeclared category that is told
_UNUSUAL = 0.1  # share of rows outside of `usual` that is told
_MOST_HINTS = 3


@dataclass(frozen=True, slots=True)
class Checked:
    """Faults to be mended, and notes that people should know."""

    faults: tuple[UnplacedComplaint, ...]
    notes: tuple[str, ...] = ()


def check(spec: ModelSpec, now: datetime) -> Checked:
    """Read the head of the source and hold it to the declaration, as training will; nothing is raised."""
    try:
        absent, rows = _head(spec)
        if absent:
            return Checked(tuple(absent), () if rows is None else rows.notes)
        assert rows is not None
        columns, faults = held(rows.table, spec)
    except BadTable as error:
        return Checked((UnplacedComplaint(("data", "source"), str(error).removeprefix("data.source ")),))
    if rows.table.num_rows == 0:
        return Checked((UnplacedComplaint(("data", "source"), "holds no rows"),), rows.notes)
    told = tuple(UnplacedComplaint(fault.path, fault.what) for fault in faults)
    return Checked(told, (*rows.notes, *_notes(columns, spec, rows, now)))


def _head(spec: ModelSpec) -> tuple[list[UnplacedComplaint], Rows | None]:
    """The columns that are not there, or the first rows."""
    wanted = {name: path for path, name in _declared(spec)}
    source = spec.data.source
    if source.startswith("python:") or "://" in source:
        rows = read_source(spec.data, None, HEAD)
        absent = _absent(wanted, rows.table.column_names, "the source")
        return absent, rows if absent else Rows(rows.table.select(list(wanted)), rows.whole, rows.notes)
    found = listing(source)
    for file in found.files:
        absent = _absent(wanted, names_in(file), _called(file, len(found.files)))
        if absent and file.kind != "lines":
            return absent, None
    parts = [part(file, list(wanted), HEAD) for file in _some(found.files)]
    table = unify(parts)
    absent = _absent(wanted, table.column_names, "the source")
    if absent:
        return absent, None
    table = table.select(list(wanted)).replace_schema_metadata(spans_of(parts))
    notes = found.notes + tuple(note for file in found.files for note in notes_on(file))
    whole = len(parts) == len(found.files) and all(one.table.num_rows < HEAD for one in parts)
    return [], Rows(table, whole, notes)


def _declared(spec: ModelSpec) -> Iterator[tuple[Path, str]]:
    """Every column that is read, by where it is declared."""
    for place, feature in enumerate(spec.features):
        yield ("features", place, "name"), feature.name
    for place, attribute in enumerate(spec.audit):
        yield ("audit", place, "name"), attribute.name
    yield ("target", "name"), spec.target.name
    if spec.data.time:
        yield ("data", "time"), spec.data.time
    if spec.data.known:
        yield ("data", "known"), spec.data.known
    if spec.data.subject:
        yield ("data", "subject"), spec.data.subject


def _absent(wanted: dict[str, Path], there: list[str], where: str) -> list[UnplacedComplaint]:
    faults = [
        UnplacedComplaint(path, f"{where} has no column {name!r}", nearest(name, there))
        for name, path in wanted.items()
        if name not in there
    ]
    if faults and all(fault.nearest is None for fault in faults[:_MOST_HINTS]):
        shown = ", ".join(there[:30]) + (f" and {len(there) - 30} more" if len(there) > 30 else "")
        faults[0] = UnplacedComplaint(faults[0].path, f"{faults[0].what}; it has: {shown}")
    return faults


def _some(files: tuple[Listed, ...]) -> list[Listed]:
    """All files, or of many the ones that lie evenly among them."""
    if len(files) <= MOST_FILES:
        return list(files)
    return [files[round(place * (len(files) - 1) / (MOST_FILES - 1))] for place in range(MOST_FILES)]


def _called(file: Listed, of: int) -> str:
    return file.path.name if of > 1 else "the file"


def _notes(columns: dict[str, pa.ChunkedArray], spec: ModelSpec, rows: Rows, now: datetime) -> Iterator[str]:
    """Notes on what holds and looks wrong all the same."""
    total = max(1, rows.table.num_rows)
    declared: list[Feature | Attribute] = [*spec.features, *spec.audit]
    for feature in declared:
        values = columns.get(feature.name)
        if values is None:
            continue
        if feature.type == "category":
            known = pc.is_in(values, value_set=pa.array(feature.categories, pa.string()))
            unknown = (pc.sum(pc.and_(pc.is_valid(values), pc.invert(known))).as_py() or 0) / total
            if unknown > _UNKNOWN:
                yield f"{feature.name}: {unknown:.0%} of the rows looked at hold a category that is not declared"
        if values.null_count == len(values):
            yield f"{feature.name}: no row looked at has a value"
    for one in spec.features:
        if is_protected(one.name):
            yield f"{one.name}: may be a protected attribute; if so, declare it under `audit`, which never decides"
        elif is_proxy(one.name):
            yield f"{one.name}: may tell where or of whom somebody is; see `proxies` of an attribute under `audit`"
        values = columns.get(one.name)
        if values is not None and one.usual is not None:
            low, high = one.usual
            outside = (pc.sum(pc.or_(pc.less(values, low), pc.greater(values, high))).as_py() or 0) / total
            if outside > _UNUSUAL:
                yield f"{one.name}: {outside:.0%} of the rows looked at lie outside of `usual`"
    yield from _suspicions(columns, spec)
    labels = columns.get(spec.target.name)
    if labels is not None and rows.whole and pc.count_distinct(labels).as_py() < 2:
        yield f"{spec.target.name}: is the same in every row, so there is nothing to learn"
    times = columns.get(spec.data.time) if spec.data.time else None
    if times is not None and len(times):
        yield from _about_time(str(spec.data.time), pc.min_max(times).as_py(), spec, now)


def _suspicions(columns: dict[str, pa.ChunkedArray], spec: ModelSpec) -> Iterator[str]:
    """Features that tell the target or the time, or only number the rows: what `init` would not have drafted."""
    labels = columns.get(spec.target.name)
    times = columns.get(spec.data.time) if spec.data.time else None
    time = None if times is None else spec.data.time
    for one in spec.features:
        values = columns.get(one.name)
        if values is None or labels is None or values.null_count == len(values):
            continue
        if what := unfit(one.name, _array(values)):
            yield f"{one.name}: {what}; leave it out"
            continue
        order = np.arange(len(values)) if times is None else _array(pc.cast(times, pa.int64()))
        for found in suspicion(_array(values), _array(labels), np.asarray(order, np.float64), spec.target.name, time):
            yield f"{one.name}: {found.what}" + "; leave it out" * found.leave_out


def _array(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _about_time(name: str, span: dict[str, datetime], spec: ModelSpec, now: datetime) -> Iterator[str]:
    first, last = span["min"], span["max"]
    if last.year < 1980:
        yield f"{name}: is read as seconds since 1970, from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}; is it?"
    if last > now + timedelta(days=1):
        yield f"{name}: the newest row looked at lies ahead, at {last:%Y-%m-%d %H:%M} UTC; is it the event's time?"
    if spec.data.until is not None and first >= spec.data.until:
        yield f"{name}: no row looked at is earlier than data.until, {spec.data.until:%Y-%m-%d %H:%M}"
