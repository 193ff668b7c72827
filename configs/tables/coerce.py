"""Holds rows to their declaration: every value has its declared type, range and presence, or the row is named."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from windvane.configs.document import EXACT, Path
from windvane.configs.schema import Attribute, Feature, ModelSpec
from windvane.configs.tables.bad_table import BadTable, shape
from windvane.configs.tables.missing import blanked
from windvane.configs.tables.moments import MOMENT, moments
from windvane.configs.tables.numbers import Decimal, decimal_of, numbers
from windvane.configs.tables.source import SPANS
from windvane.configs.tables.truth import truths
from windvane.configs.tables.unify import spelled

FLOAT32_MAX = 3.4028234663852886e38
LONGEST_TEXT = 256  # characters of a category, in requests too
MANY_FAULTS = 5  # told in one sentence
Column: TypeAlias = pa.ChunkedArray


@dataclass(frozen=True, slots=True)
class ColumnFault:
    """Fault of a column, and where that is declared."""

    path: Path
    what: str


def coerce(table: pa.Table, spec: ModelSpec) -> pa.Table:
    """The same rows with declared types; unlabelled rows are left out; raises BadTable naming columns and rows.

    Rows count from 1, in their own file. Nothing is guessed: what reads as no number is none, 2.5 is no integer, and a
    missing value must be declared. No value is repeated in what is said.
    """
    columns, faults = held(table, spec)
    if faults:
        more = f"; and {len(faults) - MANY_FAULTS} more columns" if len(faults) > MANY_FAULTS else ""
        raise BadTable("; ".join(fault.what for fault in faults[:MANY_FAULTS]) + more)
    return pa.table(columns)


def held(table: pa.Table, spec: ModelSpec) -> tuple[dict[str, Column], list[ColumnFault]]:
    """The columns that hold to their declaration, and the faults of those that do not, all at once."""
    spans = json.loads((table.schema.metadata or {}).get(SPANS, b"[]"))
    labels = _labelled(table.column(spec.target.name))
    rows = pa.chunked_array([pa.array(range(1, table.num_rows + 1), pa.int64())])
    if labels.null_count:
        present = pc.is_valid(labels)
        table, rows = table.filter(present), rows.filter(present)
    columns: dict[str, Column] = {}
    faults: list[ColumnFault] = []
    for name, path, read in _readers(spec):
        try:
            columns[name] = read(_Named(table.column(name), name, rows, spans))
        except BadTable as error:
            faults.append(ColumnFault(path, str(error)))
    return columns, faults


def _readers(spec: ModelSpec) -> Iterator[tuple[str, Path, "Callable[[_Named], Column]"]]:
    """Every column that is read, where it is declared, and how."""
    decimal = spec.data.decimal
    for place, feature in enumerate(spec.features):
        yield feature.name, ("features", place), partial(_feature, feature=feature, decimal=decimal)
    for place, attribute in enumerate(spec.audit):
        yield attribute.name, ("audit", place), partial(_typed, declared=attribute, decimal=decimal)
    yield spec.target.name, ("target", "name"), partial(_label, positive=spec.target.positive)
    if spec.data.time:
        yield spec.data.time, ("data", "time"), partial(_moment, day_first=spec.data.day_first)
    if spec.data.known:
        yield spec.data.known, ("data", "known"), partial(_moment, day_first=spec.data.day_first)
    if spec.data.subject:
        yield spec.data.subject, ("data", "subject"), _as_subject


@dataclass(frozen=True, slots=True)
class _Named:
    """A column under its name, with the row of its source that each value comes from; `spans` are those of files."""

    column: Column
    name: str
    rows: Column
    spans: list[tuple[str, int]]

    @property
    def kind(self) -> pa.DataType:
        return self.column.type

    def refuse(self, bad: object, why: Callable[[str], str] | str) -> None:
        """Raise for the first row where `bad` holds, and say how many there are; `why` may tell the value's shape."""
        bad = pc.fill_null(bad, False)
        count = pc.sum(pc.cast(bad, pa.int64())).as_py() or 0
        if count == 0:
            return
        first = pc.index(bad, True).as_py()
        value = self.column[first].as_py()
        said = why if isinstance(why, str) else why(_told(value))
        others = f" (and {count - 1:,} more rows)" if count > 1 else ""
        raise BadTable(f"Column {self.name!r}, {self._place(self.rows[first].as_py())}: {said}{others}")

    def _place(self, row: int) -> str:
        for file, count in self.spans if len(self.spans) > 1 else ():
            if row <= count:
                return f"row {row} of {file}"
            row -= count
        return f"row {row}"

    def refuse_type(self, wanted: str) -> BadTable:
        return BadTable(
            f"Column {self.name!r} holds {spelled(self.kind)}, and none is {wanted}; convert it where it comes from"
        )


def _feature(named: _Named, feature: Feature, decimal: Decimal) -> Column:
    values = _typed(named, feature, decimal)
    if feature.min is not None:
        named.refuse(pc.less(values, feature.min), f"the value is below min {feature.min:g}")
    if feature.max is not None:
        named.refuse(pc.greater(values, feature.max), f"the value is above max {feature.max:g}")
    return values


def _typed(named: _Named, declared: Feature | Attribute, decimal: Decimal) -> Column:
    match declared.type:
        case "number":
            values = _as_number(named, decimal)
        case "integer":
            values = _as_integer(named, decimal)
        case "boolean":
            values = _as_boolean(named)
        case "category":
            values = _as_category(named, declared)
    if not declared.missing:
        named.refuse(pc.is_null(values), "the value is missing; say `missing: true` if that may be")
    return values


def _as_number(named: _Named, decimal: Decimal) -> Column:
    kind = named.kind
    if pa.types.is_null(kind):
        return pc.cast(named.column, pa.float64())
    if pa.types.is_string(kind):
        read = numbers(named.column, decimal)
        named.refuse(read.wrong, lambda told: f"{told} is not a number{_comma_hint(named.column, decimal)}")
        values = pa.chunked_array([read.values])
    elif _is_number(kind) or pa.types.is_boolean(kind):
        values = pc.cast(named.column, pa.float64(), safe=False)
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
    else:
        raise named.refuse_type("a number")
    named.refuse(pc.greater(pc.abs(values), FLOAT32_MAX), "the value is infinite or too large for a model")
    return values


def _as_integer(named: _Named, decimal: Decimal) -> Column:
    if pa.types.is_integer(named.kind):
        low, high = pa.scalar(-EXACT, pa.int64()), pa.scalar(EXACT, pa.int64())
        if named.kind == pa.uint64():
            far = pc.greater(named.column, pa.scalar(EXACT, pa.uint64()))
        else:
            values = pc.cast(named.column, pa.int64())
            far = pc.or_(pc.less(values, low), pc.greater(values, high))
        named.refuse(far, _FAR)
        return pc.cast(named.column, pa.int64())
    values = _as_number(named, decimal)
    named.refuse(pc.not_equal(pc.floor(values), values), lambda told: f"{told} is not an integer")
    beyond = pc.greater_equal if pa.types.is_string(named.kind) else pc.greater  # as text, 2^53 + 1 has become 2^53
    named.refuse(beyond(pc.abs(values), float(EXACT)), _FAR)
    return pc.cast(values, pa.int64())


_FAR = "the value lies beyond 2^53, where neighbours look alike to a model; leave it out, or declare it as a category"


def _as_boolean(named: _Named) -> Column:
    kind = named.kind
    if pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return pc.cast(named.column, pa.bool_())
    text = _as_text(named)
    values, unknown = truths(text)
    named.refuse(unknown, lambda told: f"{told} is not true or false")
    return values


def _as_category(named: _Named, declared: Feature | Attribute) -> Column:
    """Reads a category; where none may be missing, text that stands for no value is refused in a file, taken elsewhere.

    Elsewhere is also what was served, and there it was a value that nobody declared.
    """
    text = _as_text(named)
    named.refuse(pc.greater(pc.utf8_length(text), LONGEST_TEXT), f"the value has more than {LONGEST_TEXT} characters")
    if not declared.missing and not named.spans:
        return text
    known = blanked(text, declared.categories)
    if not declared.missing:
        void = pc.and_(pc.is_valid(text), pc.is_null(known))
        named.refuse(
            pc.and_(void, pc.match_substring_regex(text, r"\S")),
            lambda told: f"{told} stands for a missing value; say `missing: true`, or declare it as a category",
        )
    return known


def _as_subject(named: _Named) -> Column:
    return blanked(_as_text(named))


def _as_text(named: _Named) -> Column:
    """Whole numbers without a point, also those that a reader widened because some were missing."""
    kind = named.kind
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pc.cast(_as_integer(named, "."), pa.string())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise named.refuse_type("text")
    return pc.cast(named.column, pa.string())


def _labelled(column: Column) -> Column:
    """The label column with null where a text stands for no value."""
    return blanked(column) if pa.types.is_string(column.type) else column


def _label(named: _Named, positive: str | None) -> Column:
    if positive is None:
        return _as_boolean(named)
    text = _as_text(named)
    found = pc.equal(text, positive)
    if not pc.any(found).as_py() and len(text):
        values = pc.value_counts(text).to_pylist()
        shown = ", ".join(repr(pair["values"]) for pair in values) if len(values) <= 5 else f"{len(values):,} others"
        raise BadTable(f"Target {named.name!r} is never {positive!r} (`positive`); it is: {shown}")
    return found


def _moment(named: _Named, day_first: bool | None) -> Column:
    """Without a zone it is UTC; plain numbers are Unix time."""
    read = moments(named.column, day_first)
    if read.ambiguous:
        raise BadTable(
            f"Column {named.name!r}: whether dates such as 03/04/2024 begin with the day or the month cannot be told "
            "from these rows; write `day_first: true` or `day_first: false` under `data`"
        )
    named.refuse(read.wrong, lambda told: f"{told} is not a time; write 2013-03-01T17:30:00Z")
    named.refuse(pc.is_null(read.values), "the value is missing; every row needs its event time")
    return pc.cast(pa.chunked_array([read.values]), MOMENT)


def _comma_hint(column: Column, decimal: Decimal) -> str:
    other = decimal_of([column])
    if other is None or other == decimal:
        return ""
    sign = "comma" if other == "," else "point"
    return f"; where decimals stand behind a {sign}, write `decimal: '{other}'` under `data`, for the whole file"


def _told(value: object) -> str:
    """Describes a refused value, without repeating it."""
    if isinstance(value, str):
        return f"text of the shape `{shape(value)}`"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "the number"
    return "the value"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
