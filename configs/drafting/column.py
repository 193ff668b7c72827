"""The columns of a sample, read as what they seem to hold: numbers, truth, moments or text."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from windvane.configs.drafting.names import IDENTIFIERS, SUBJECTS, TIMES, words
from windvane.configs.tables.bad_table import shape
from windvane.configs.tables.missing import MARKERS, TEXTS, blanked
from windvane.configs.tables.moments import Moments, moments
from windvane.configs.tables.numbers import Decimal, Numbers, decimal_of, looks_like_code, numbers, told_by
from windvane.configs.tables.unify import spelled

Kind: TypeAlias = Literal["integer", "number", "boolean", "moment", "text", "other"]
FAR = "holds whole numbers beyond 2^53, which a model cannot tell apart: identifiers?"
HEAD = 2_000  # rows that are looked at before a whole column is read in a way
_NEARLY = 0.5  # share of numbers from which a column of text was meant to hold numbers
_TRUTH = ("true", "false", "wahr", "falsch", "vrai", "faux")
_DATE = (
    r"^\s*(?:\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{8}T"
    r"|(?:\w{3},?\s+)?\d{1,2}[ -]\w{3,9}[ -]\d{4}|[A-Z]\w{2,8} \d{1,2}, \d{4})"
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it would be read; `values` are float64, int64, bool, timestamps or text, null where missing."""

    name: str
    kind: Kind
    values: pa.Array
    unit: str = ""
    doubts: tuple[str, ...] = ()
    moments: Moments | None = None
    code: bool = False  # digits that begin with a zero
    unreadable: str = ""  # why nothing can be made of it
    kept: tuple[str, ...] = field(default=())  # texts that could stand for no value, kept as values

    @property
    def missing(self) -> bool:
        return bool(self.values.null_count)


def read_columns(rows: pa.Table) -> tuple[list[Column], Decimal, bool]:
    """Every column, the decimal sign they share, and whether they contradict each other about it."""
    texts = [column.slice(0, HEAD) for column in rows.columns if pa.types.is_string(column.type)]
    found = decimal_of(texts)
    decimal: Decimal = found or "."
    told = any(told_by(texts))
    blanks: set[str] = set()
    columns = [
        _column(name, column, decimal, blanks) for name, column in zip(rows.column_names, rows.columns, strict=True)
    ]
    if not told:
        columns = [_grouped(one, rows.column(place)) for place, one in enumerate(columns)]
    return [_settled(one, blanks) for one in columns], decimal, found is None


def _column(name: str, column: pa.ChunkedArray, decimal: Decimal, blanks: set[str]) -> Column:
    flat = column.combine_chunks()
    flat = flat if isinstance(flat, pa.Array) else pa.array(flat)
    kind = flat.type
    if pa.types.is_string(kind):
        return _text(name, column, flat, decimal, blanks)
    if pa.types.is_null(kind):
        return Column(name, "text", pc.cast(flat, pa.string()))
    if pa.types.is_boolean(kind):
        return Column(name, "boolean", flat)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _moment(name, moments(column))
    if pa.types.is_integer(kind):
        if kind == pa.uint64() and pc.any(pc.greater(flat, pa.scalar(2**63 - 1, pa.uint64()))).as_py():
            return Column(name, "other", pa.nulls(len(flat)), unreadable=FAR)
        return Column(name, "integer", pc.cast(flat, pa.int64()))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = pc.cast(flat, pa.float64(), safe=False)
        return Column(name, "number", pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values))
    why = f"holds {spelled(kind)}; convert it to numbers, text or true and false"
    return Column(name, "other", pa.nulls(len(flat)), unreadable=why)


def _text(name: str, column: pa.ChunkedArray, flat: pa.Array, decimal: Decimal, blanks: set[str]) -> Column:
    """Reads a column of text, by trying the narrower meanings first."""
    head = blanked(column.slice(0, HEAD)).drop_null()
    if len(head) and pc.mean(pc.cast(pc.match_substring_regex(head, _DATE), pa.float64())).as_py() > 0.9:
        read = moments(column)
        if _few(read.wrong, len(flat)):
            return _moment(name, read)
    if len(head) and _few_or_half(numbers(head, decimal).wrong):
        found = numbers(column, decimal)
        number = _number(name, column, found, decimal, blanks)
        if number is not None:
            return number
    lowered = pc.utf8_lower(pc.utf8_trim_whitespace(blanked(column)))
    if (
        len(head)
        and pc.all(pc.is_in(lowered.drop_null(), value_set=pa.array(_TRUTH))).as_py()
        and lowered.null_count < len(flat)
    ):
        true = pc.is_in(lowered, value_set=pa.array([_TRUTH[0], _TRUTH[2], _TRUTH[4]]))
        values = pc.if_else(pc.is_null(lowered), pa.scalar(None, pa.bool_()), true)
        return Column(name, "boolean", _flat(values))
    return Column(name, "text", flat)


def _number(name: str, column: pa.ChunkedArray, found: Numbers, decimal: Decimal, blanks: set[str]) -> Column | None:
    """The column as numbers; None when it is text after all, and unreadable when only a few cells are no numbers."""
    wrong = pc.sum(found.wrong).as_py() or 0
    present = len(column) - found.values.null_count
    if wrong:
        if present < _NEARLY * (present + wrong) or _few_texts(column) or (IDENTIFIERS | SUBJECTS) & set(words(name)):
            return None  # identifiers such as 1001 and C1002 are text, and name a subject
        first = pc.index(found.wrong, True).as_py()
        told = shape(column[first].as_py())
        why = f"is a number in {present:,} rows and none in {wrong:,}; mend those, such as row {first + 1}: `{told}`"
        return Column(name, "other", pa.nulls(len(column)), unreadable=why)
    if present == 0:
        return Column(name, "text", pa.nulls(len(column), pa.string()))
    if looks_like_code(column):
        return Column(name, "text", _flat(column), code=True)
    if found.values.null_count:
        gone = pc.unique(pc.utf8_lower(pc.utf8_trim_whitespace(column.filter(pc.is_null(found.values)))).drop_null())
        blanks |= set(gone.to_pylist())
    finite = pc.all(pc.is_finite(found.values)).as_py()
    whole = finite and pc.all(pc.equal(pc.floor(found.values), found.values)).as_py()
    if (
        whole
        and not pc.any(pc.match_substring(column, decimal)).as_py()
        and not pc.any(pc.match_substring_regex(column, r"\d[eE]")).as_py()
    ):
        exact = pc.max(pc.abs(found.values)).as_py() < 2**53
        values = pc.cast(found.values, pa.int64(), safe=False) if exact else found.values
        return Column(name, "integer" if exact else "number", values, found.unit, _unit_doubt(found.unit))
    return Column(name, "number", found.values, found.unit, _unit_doubt(found.unit))


def _grouped(column: Column, texts: pa.ChunkedArray) -> Column:
    """A doubt about `1.234`, where nothing in the file tells whether points and commas part thousands or decimals."""
    if column.kind not in ("integer", "number") or not pa.types.is_string(texts.type):
        return column
    if not pc.any(pc.match_substring_regex(texts, r"^\s*[-+]?[1-9]\d{0,2}[.,]\d{3}\s*$")).as_py():
        return column
    doubt = (
        f"could be meant in thousands or in decimals; it is read as {float(pc.max(column.values).as_py()):,g} at most"
    )
    return replace(column, doubts=(*column.doubts, doubt))


def _settled(column: Column, blanks: set[str]) -> Column:
    """Text with null where it stands for no value, by what stands for none elsewhere in the file."""
    if column.kind != "text":
        return column
    plain = blanked(pa.chunked_array([column.values]), texts=MARKERS)
    distinct = pc.unique(plain.drop_null())
    if len(distinct) > 10_000:
        return Column(column.name, "text", _flat(blanked(plain)), code=column.code)
    named = [text for text in distinct.to_pylist() if text.strip().casefold() in TEXTS - MARKERS]
    codes = all(len(text) == 2 and text.isupper() for text in distinct.to_pylist())
    void = {text.strip().casefold() for text in named} & blanks if not codes else set()
    if column.code or len(named) == len(distinct):
        void = {text.strip().casefold() for text in named}
    kept = tuple(text for text in named if text.strip().casefold() not in void)
    values = _flat(blanked(plain, texts=void)) if void else _flat(plain)
    return Column(column.name, "text", values, code=column.code, kept=kept)


def _moment(name: str, read: Moments) -> Column:
    values = read.values
    doubts = (f"holds {pc.sum(read.wrong).as_py():,} texts that are no times",) if pc.any(read.wrong).as_py() else ()
    return Column(name, "moment", values, doubts=doubts, moments=read)


def as_moment(column: Column) -> Moments | None:
    """A column of numbers read as moments, where name and values say that it holds such; None otherwise.

    Whole dates such as 20240301 and times in milliseconds need no name; seconds do, since amounts look like them.
    """
    if column.kind not in ("integer", "number") or not len(column.values.drop_null()):
        return None
    read = moments(pa.chunked_array([column.values]))
    if pc.any(read.wrong).as_py():
        return None
    years = pc.min_max(pc.year(read.values)).as_py()
    if years["min"] < 1980 or years["max"] > 2100:
        return None
    largest = pc.max(pc.abs(column.values)).as_py()
    if largest < 1e5 or (largest >= 2.2e9 and largest < 9e11 and not TIMES & set(words(column.name))):
        return None  # years alone are numbers
    named = bool(TIMES & set(words(column.name)))
    calendar = largest < 1e8  # 202403, 20240301
    return read if named or calendar or largest >= 9e11 else None


def _few(wrong: pa.Array, rows: int) -> bool:
    return (pc.sum(wrong).as_py() or 0) <= 0.05 * rows


def _few_or_half(wrong: pa.Array) -> bool:
    return (pc.sum(wrong).as_py() or 0) <= _NEARLY * len(wrong)


def _few_texts(column: pa.ChunkedArray) -> bool:
    """Whether so few texts stand in the column that they are groups: `1`, `2`, `3+`."""
    return len(pc.unique(column.slice(0, 100_000))) <= 12


def _unit_doubt(unit: str) -> tuple[str, ...]:
    if unit == "%":
        return ("is in percent: 13.5% is read as 13.5, and requests must send it so",)
    return (f"is in {unit}: it is read, and must be sent, as a number without it",) if unit else ()


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return flat if isinstance(flat, pa.Array) else pa.array(flat)


def names_twice(names: Sequence[str]) -> frozenset[str]:
    """Names that stand more than once, whatever their case.

    >>> sorted(names_twice(["a", "B", "b"]))
    ['b']
    """
    folded = [name.casefold() for name in names]
    return frozenset(name for name in folded if folded.count(name) > 1)
