"""Event times as people write them: ISO 8601, 03/25/2024 17:30, 25.03.2024, 20240301, Unix seconds to nanoseconds."""

import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from windvane.configs.tables.missing import blanked

MOMENT = pa.timestamp("us", tz="UTC")
LATEST = 2200  # years from here on are no event times; 9999-12-31 and the like stand for "never"

_TIME = (
    r"(?:[T ,:]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?"
)
_YEAR_FIRST = rf"^(?P<year>\d{{4}})(?P<mark>[-/.])(?P<first>\d{{1,2}})(?:[-/.](?P<other>\d{{1,2}}))?{_TIME}$"
_YEAR_LAST = rf"^(?P<first>\d{{1,2}})(?P<mark>[-/.])(?P<other>\d{{1,2}})[-/.](?P<year>\d{{4}}|\d{{2}}){_TIME}$"
_COMPACT = (
    r"^(?P<year>\d{4})(?P<first>\d{2})(?P<other>\d{2})[T ](?P<hour>\d{2}):?(?P<minute>\d{2}):?(?P<second>\d{2})?Z?$"
)
_NAMED = re.compile(
    r"^(?:[A-Za-z]{3,9},?\s+)?(?:(\d{1,2})[\s./-]+([A-Za-z]{3,9})|([A-Za-z]{3,9})\.?\s+(\d{1,2}),?)[\s.,/-]+(\d{4})(.*)$"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_STEPS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (9e18, 1e-3))  # below: seconds, ms, µs, ns, in microseconds


@dataclass(frozen=True, slots=True)
class Moments:
    """A column read as moments: `values` in UTC, null where missing or `wrong`."""

    values: pa.Array
    wrong: pa.Array
    # whether days and months could be told apart; where not, `values` takes the month first
    ambiguous: bool = False
    day_first: bool | None = None  # how dates such as 03/04/2024 were read; None where there are none


def moments(column: pa.ChunkedArray, day_first: bool | None = None) -> Moments:
    """Read a column of any type; what is neither a moment nor missing is `wrong`, and so is a year from 2200 on."""
    read = _moments(column, day_first)
    years = pc.year(read.values)
    far = pc.fill_null(pc.or_(pc.greater_equal(years, LATEST), pc.less(years, 1)), False)
    values = pc.if_else(far, pa.scalar(None, MOMENT), read.values)
    return Moments(values, pc.or_(read.wrong, far), read.ambiguous, read.day_first)


def _moments(column: pa.ChunkedArray, day_first: bool | None) -> Moments:
    flat = column.combine_chunks()
    flat = flat if isinstance(flat, pa.Array) else pa.array(flat)
    kind = flat.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        micros = pc.cast(pc.cast(flat, pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False), MOMENT)
        return Moments(micros, _none_wrong(flat))
    if pa.types.is_integer(kind):
        return _of_integers(flat)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = pc.cast(flat, pa.float64())
        return _unix(pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers))
    if pa.types.is_null(kind):
        return Moments(pa.nulls(len(flat), MOMENT), _none_wrong(flat))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _of_text(pc.utf8_trim_whitespace(blanked(pa.chunked_array([pc.cast(flat, pa.string())]))), day_first)
    return Moments(pa.nulls(len(flat), MOMENT), pc.is_valid(flat))


def _of_text(text: pa.ChunkedArray, day_first: bool | None) -> Moments:
    flat = text.combine_chunks()
    flat = flat if isinstance(flat, pa.Array) else pa.array(flat)
    for kind in (pa.timestamp("us"), MOMENT):
        try:
            return Moments(pc.cast(pc.cast(flat, kind), MOMENT), _none_wrong(flat))
        except pa.ArrowInvalid:
            continue  # not all are of the one form that Arrow reads by itself
    if not pc.any(pc.invert(pc.match_substring_regex(flat, r"^[+-]?\d{1,18}$"))).as_py():
        return _of_integers(pc.cast(flat, pa.int64()))
    if not pc.any(pc.invert(pc.match_substring_regex(flat, r"^[+-]?\d+\.?\d*(?:[eE]\+?\d+)?$"))).as_py():
        return _unix(pc.cast(flat, pa.float64()))
    return _spelled(_month_names_replaced(flat), day_first)


def _spelled(text: pa.Array, day_first: bool | None) -> Moments:
    """Dates written out, year first or last, with or without a time of day and a zone."""
    micros = np.full(len(text), np.iinfo(np.int64).min, np.int64)
    good = np.zeros(len(text), np.bool_)
    ambiguous, read_as = False, None
    for pattern in (_YEAR_FIRST, _YEAR_LAST, _COMPACT):
        rows = np.flatnonzero(
            pc.fill_null(pc.match_substring_regex(text, pattern), False).to_numpy(zero_copy_only=False)
        )
        if not len(rows):
            continue
        parts = _Parts(pc.extract_regex(text.take(pa.array(rows)), pattern))
        first, other, year = parts.number("first"), parts.number("other", 1), parts.number("year")
        month, day = first, other
        if pattern is _YEAR_LAST:
            year = np.where(year >= 100, year, np.where(year < 69, 2000, 1900) + year)
            dotted = parts.equal("mark", ".")
            slashed = ~dotted
            ambiguous, slashed_first = _days_first(first[slashed], other[slashed], day_first)
            read_as = slashed_first if slashed.any() else None
            swapped = dotted | bool(slashed_first)
            month, day = np.where(swapped, other, first), np.where(swapped, first, other)
        micros[rows], good[rows] = parts.micros(year, month, day)
    wrong = pc.and_(pc.is_valid(text), pa.array(~good))
    values = pc.cast(pa.array(micros, pa.int64(), mask=~good), MOMENT)
    return Moments(values, wrong, ambiguous, read_as)


def _days_first(first: NDArray[np.int64], other: NDArray[np.int64], declared: bool | None) -> tuple[bool, bool | None]:
    """Whether days and months look alike in every row, and whether days come first."""
    if declared is not None or not len(first):
        return False, declared
    if (first > 12).any():
        return False, True
    if (other > 12).any():
        return False, False
    return bool((first != other).any()), False


class _Parts:
    """The named groups of dates that one pattern has matched."""

    def __init__(self, parts: pa.StructArray) -> None:
        self._parts = parts
        self._names = frozenset(field.name for field in parts.type)

    def text(self, name: str) -> pa.Array:
        return pc.struct_field(self._parts, name)

    def equal(self, name: str, value: str) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = pc.fill_null(pc.equal(self.text(name), value), False).to_numpy(zero_copy_only=False)
        return found

    def number(self, name: str, absent: int = 0) -> NDArray[np.int64]:
        """A group of digits; `absent` where the group has matched nothing."""
        if name not in self._names:
            return np.full(len(self._parts), absent, np.int64)
        text = self.text(name)
        digits = pc.if_else(pc.equal(pc.fill_null(text, ""), ""), str(absent), text)
        numbers: NDArray[np.int64] = pc.cast(digits, pa.int64()).to_numpy(zero_copy_only=False)
        return numbers

    def micros(
        self, year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Microseconds since 1970, and which of them are moments that exist."""
        hour, minute, second = self.number("hour"), self.number("minute"), self.number("second")
        halves = self._half()
        good = (month >= 1) & (month <= 12) & (day >= 1) & (minute < 60) & (second <= 60)
        good &= np.where(halves < 0, hour <= 24, (hour >= 1) & (hour <= 12))
        hour = np.where(halves < 0, hour, hour % 12 + 12 * halves)
        months = (year - 1970) * 12 + np.clip(month, 1, 12) - 1
        start = months.astype("datetime64[M]").astype("datetime64[D]")
        good &= start + (day - 1) < (months + 1).astype("datetime64[M]").astype("datetime64[D]")
        days = (start.astype(np.int64) + day - 1) * 86_400
        seconds = days + hour * 3600 + minute * 60 + second - self._zone()
        return seconds * 1_000_000 + self._fraction(), good

    def _half(self) -> NDArray[np.int64]:
        """0 before noon, 1 after, -1 where the clock has 24 hours."""
        if "half" not in self._names:
            return np.full(len(self._parts), -1, np.int64)
        half = pc.utf8_slice_codeunits(pc.utf8_lower(pc.fill_null(self.text("half"), "")), 0, 1)
        chosen = pc.if_else(pc.equal(half, ""), -1, pc.if_else(pc.equal(half, "p"), 1, 0))
        halves: NDArray[np.int64] = pc.cast(chosen, pa.int64()).to_numpy(zero_copy_only=False)
        return halves

    def _fraction(self) -> NDArray[np.int64]:
        """Microseconds; what is finer is cut off."""
        if "fraction" not in self._names:
            return np.zeros(len(self._parts), np.int64)
        six = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.fill_null(self.text("fraction"), ""), 6, "0"), 0, 6)
        micros: NDArray[np.int64] = pc.cast(six, pa.int64()).to_numpy(zero_copy_only=False)
        return micros

    def _zone(self) -> NDArray[np.int64]:
        """Seconds east of Greenwich."""
        if "zone" not in self._names:
            return np.zeros(len(self._parts), np.int64)
        bare = pc.replace_substring(pc.fill_null(self.text("zone"), ""), ":", "")
        signed = pc.match_substring_regex(bare, r"^[+-]")
        digits = pc.utf8_rpad(pc.if_else(signed, pc.utf8_slice_codeunits(bare, 1, 5), "0000"), 4, "0")
        hours = pc.cast(pc.utf8_slice_codeunits(digits, 0, 2), pa.int64()).to_numpy(zero_copy_only=False)
        minutes = pc.cast(pc.utf8_slice_codeunits(digits, 2, 4), pa.int64()).to_numpy(zero_copy_only=False)
        west = pc.starts_with(bare, "-").to_numpy(zero_copy_only=False)
        seconds: NDArray[np.int64] = np.where(west, -1, 1) * (hours * 3600 + minutes * 60)
        return seconds


def _of_integers(flat: pa.Array) -> Moments:
    """Calendar digits (2024, 202403, 20240301, 20240301173000) where the rows hold such, Unix time otherwise.

    Whole dates are those of a calendar when most rows are, since as seconds they would all lie in August 1970; years
    and months are when every row is.
    """
    whole = pc.cast(flat, pa.int64(), safe=False)
    text = pc.cast(whole, pa.string())
    widths = pc.value_counts(pc.utf8_length(text.drop_null())).to_pylist()
    width = max(widths, key=lambda pair: pair["counts"])["values"] if widths else 0
    if width in _CALENDARS:
        spelled = _spelled(pc.replace_substring_regex(text, *_CALENDARS[width]), None)
        years = pc.year(spelled.values)
        plausible = pc.fill_null(pc.and_(pc.greater_equal(years, 1900), pc.less(years, LATEST)), False)
        share = (pc.sum(plausible).as_py() or 0) / max(1, len(flat) - flat.null_count)
        if share == 1.0 or (width >= 8 and share > 0.5):
            values = pc.if_else(plausible, spelled.values, pa.scalar(None, MOMENT))
            return Moments(values, pc.and_(pc.is_valid(flat), pc.invert(plausible)))
    return _unix(pc.cast(flat, pa.float64(), safe=False), whole)


_CALENDARS = {
    4: (r"^(\d{4})$", r"\1-01-01"),
    6: (r"^(\d{4})(\d{2})$", r"\1-\2-01"),
    8: (r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3"),
    12: (r"^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})$", r"\1-\2-\3 \4:\5"),
    14: (r"^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})$", r"\1-\2-\3 \4:\5:\6"),
}


def _unix(numbers: pa.Array, whole: pa.Array | None = None) -> Moments:
    """Seconds, milliseconds, microseconds or nanoseconds, by the size of most; another size is `wrong`."""
    sizes = pc.abs(numbers)
    finite = sizes.filter(pc.is_finite(sizes))
    usual = pc.quantile(finite, 0.5).to_pylist()[0] if len(finite) else 0.0
    step = next((place for place, (below, _) in enumerate(_STEPS) if usual < below), len(_STEPS) - 1)
    low, (high, scale) = _STEPS[step - 1][0] if step else 0.0, _STEPS[step]
    other = pc.or_(pc.less(sizes, low), pc.greater_equal(sizes, high))
    wrong = pc.fill_null(pc.or_(other, pc.invert(pc.is_finite(numbers))), False)
    kept = pc.if_else(wrong, None, numbers)
    if whole is not None and scale <= 1.0:  # float64 has no microseconds of this century to give away
        exact = pc.if_else(wrong, None, whole)
        micros = exact if scale == 1.0 else pc.divide(exact, 1000)
    else:
        micros = pc.cast(pc.round(pc.multiply(kept, scale)), pa.int64())
    return Moments(pc.cast(pc.cast(micros, pa.timestamp("us")), MOMENT), wrong)


def _month_names_replaced(text: pa.Array) -> pa.Array:
    """`25 Mar 2024 17:30` and `March 25, 2024` in digits; other text as it is."""
    named = pc.fill_null(pc.match_substring_regex(text, r"[A-Za-z]{3}"), False)
    if not pc.any(named).as_py():
        return text
    encoded = text.filter(named).dictionary_encode()
    values = pa.array([_in_digits(one) for one in encoded.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(text, named, values.take(encoded.indices))


def _in_digits(text: str) -> str:
    found = _NAMED.match(text)
    if found is None:
        return text
    day, name, name_first, day_after, year, rest = found.groups()
    month = (name or name_first).lower()
    if month[:3] not in _MONTHS:
        return text
    return f"{year}-{_MONTHS.index(month[:3]) + 1}-{day or day_after}{rest}"


def _none_wrong(flat: pa.Array) -> pa.Array:
    return pa.array(np.zeros(len(flat), np.bool_))


def newest(values: pa.Array) -> datetime | None:
    """The latest moment, None where there is none."""
    latest: datetime | None = pc.max(values).as_py()
    return latest
