"""Numbers as people write them: thousands separators, currencies, percent, decimal commas, accountants' minus signs."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windvane.configs.tables.missing import blanked

Decimal: TypeAlias = Literal[".", ","]

_PLAIN = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_SPACE = "  \u00a0\u2009\u202f"
_CODES = (
    "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|BRL|ZAR|MXN|SGD|HKD|KRW|TRY|RUB|UAH"
    "|ILS|AED|SAR|THB|IDR|MYR|PHP|CLP|COP|ARS|PEN|NGN|KES|EGP|VND|TWD"
)
_UNIT = rf"(?:US\$|R\$|C\$|A\$|\p{{Sc}}|{_CODES}|kr\.?|zł|Kč|Ft|Fr\.|%|€)"


def _pattern(decimal: Decimal) -> str:
    point, comma = (r"\.", ",") if decimal == "." else (",", r"\.")
    grouped = rf"[1-9]\d{{0,2}}(?:[{comma}'’_{_SPACE}]\d{{2,3}})*[{comma}'’_{_SPACE}]\d{{3}}"
    number = rf"(?:{grouped}|\d+)(?:{point}\d*)?(?:[eE][+-]?\d+)?|{point}\d+(?:[eE][+-]?\d+)?"
    return (
        rf"^(?P<open>\(?)[{_SPACE}]*(?P<sign>[+\-−–]?)[{_SPACE}]*(?P<before>{_UNIT}?)[{_SPACE}]*(?P<inner>[+\-−–]?)"
        rf"[{_SPACE}]*(?P<number>{number})[{_SPACE}]*(?P<after>{_UNIT}?)[{_SPACE}]*(?P<close>\)?)(?P<trail>-?)$"
    )


_PATTERNS: dict[Decimal, str] = {".": _pattern("."), ",": _pattern(",")}


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of text read as numbers: `values` float64, null where missing or `wrong`; all in one `unit`."""

    values: pa.Array
    wrong: pa.Array
    unit: str = ""


def numbers(column: pa.ChunkedArray, decimal: Decimal = ".") -> Numbers:
    """Read a column of text: `1,234.50`, `$12.00`, `13.5%`, `(7)`, `5-`, and with a decimal comma `1.234,50 €`.

    A percentage stays in percent: 13.5% is 13.5. Amounts in two currencies, or some in percent and some not, are no
    numbers that could be compared: those of the rarer kind are `wrong`.
    """
    quick = _all_plain(column) if decimal == "." else None
    if quick is not None:
        return Numbers(quick, pa.array(np.zeros(len(quick), np.bool_)))
    text = pc.utf8_trim_whitespace(blanked(column))
    text = text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
    plain = pc.match_substring_regex(text, _PLAIN) if decimal == "." else _plain_with_comma(text)
    odd = pc.fill_null(pc.invert(plain), False)
    if not pc.any(odd).as_py():
        values = pc.cast(_pointed(text, decimal), pa.float64())
        return Numbers(values, odd)
    return _written(text, odd, decimal)


def looks_like_code(column: pa.ChunkedArray) -> bool:
    """Whether a text of digits begins with a zero, as postcodes and account numbers do and numbers do not."""
    return bool(pc.any(pc.match_substring_regex(column, r"^\s*0\d+\s*$")).as_py())


def decimal_of(columns: list[pa.ChunkedArray]) -> Decimal | None:
    """The decimal sign that columns of text tell by what can be read in one way only; None where they contradict.

    >>> decimal_of([pa.chunked_array([["1.234,50", "7"]])]), decimal_of([pa.chunked_array([["1,234"]])])
    (',', '.')
    """
    point, comma = told_by(columns)
    if point and comma:
        return None
    return "," if comma else "."


def told_by(columns: list[pa.ChunkedArray]) -> tuple[int, int]:
    """Counts columns of text that can only be read with a decimal point, and those only with a comma.

    >>> told_by([pa.chunked_array([["12.5"]]), pa.chunked_array([["1.234"]])])
    (1, 0)
    """
    point, comma = 0, 0
    for column in columns:
        with_point, with_comma = numbers(column, "."), numbers(column, ",")
        wrong_point, wrong_comma = (pc.sum(one.wrong).as_py() or 0 for one in (with_point, with_comma))
        most = len(column) / 2
        point += wrong_point < wrong_comma and wrong_point < most
        comma += wrong_comma < wrong_point and wrong_comma < most
    return point, comma


def _all_plain(column: pa.ChunkedArray) -> pa.Array | None:
    """The numbers of a column that holds nothing but plain ones and empty cells; None for any other."""
    try:
        numbers = pc.cast(pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column), pa.float64())
    except pa.ArrowInvalid:
        return None
    numbers = numbers.combine_chunks() if isinstance(numbers, pa.ChunkedArray) else numbers
    return numbers if pc.all(pc.is_finite(numbers)).as_py() is not False else None


def _plain_with_comma(text: pa.Array) -> pa.Array:
    return pc.match_substring_regex(text, r"^[+-]?(?:\d+,?\d*|,\d+)(?:[eE][+-]?\d+)?$")


def _pointed(text: pa.Array, decimal: Decimal) -> pa.Array:
    return text if decimal == "." else pc.replace_substring(text, ",", ".")


def _written(text: pa.Array, odd: pa.Array, decimal: Decimal) -> Numbers:
    """The odd ones taken apart, the plain ones beside them."""
    plain = pc.cast(_pointed(pc.if_else(odd, pa.scalar(None, pa.string()), text), decimal), pa.float64())
    encoded = text.filter(odd).dictionary_encode()  # many rows, few texts
    parts = pc.extract_regex(encoded.dictionary, _PATTERNS[decimal])
    part = {name: pc.struct_field(parts, name) for name in ("open", "sign", "before", "inner", "number", "after")}
    part |= {name: pc.struct_field(parts, name) for name in ("close", "trail")}
    digits = pc.replace_substring_regex(part["number"], rf"['’_{_SPACE}{'.' if decimal == ',' else ','}]", "")
    magnitude = pc.cast(_pointed(digits, decimal), pa.float64())
    bracketed = pc.equal(part["open"], "(")
    minus = [pc.is_in(part[name], value_set=pa.array(["-", "−", "–"])) for name in ("sign", "inner", "trail")]
    negative = pc.or_(pc.or_(*minus[:2]), pc.or_(minus[2], bracketed))
    signs = pc.add(
        pc.cast(pc.not_equal(part["sign"], ""), pa.int8()), pc.cast(pc.not_equal(part["inner"], ""), pa.int8())
    )
    signs = pc.add(signs, pc.add(pc.cast(pc.not_equal(part["trail"], ""), pa.int8()), pc.cast(bracketed, pa.int8())))
    torn = pc.or_(pc.greater(signs, 1), pc.not_equal(bracketed, pc.equal(part["close"], ")")))
    torn = pc.or_(torn, pc.and_(pc.not_equal(part["before"], ""), pc.not_equal(part["after"], "")))
    read = pc.if_else(pc.fill_null(torn, True), None, pc.if_else(negative, pc.negate(magnitude), magnitude))
    units = pc.if_else(pc.equal(part["before"], ""), part["after"], part["before"])
    read, units = read.take(encoded.indices), units.take(encoded.indices)
    read, unit, bare = _in_one_unit(read, units, pc.count(plain).as_py())
    if bare:  # beside percentages a number without a sign could be either
        plain = pc.if_else(pc.is_valid(plain), pa.scalar(None, pa.float64()), plain)
    values = pc.replace_with_mask(plain, odd, read)
    wrong = pc.and_(pc.is_valid(text), pc.is_null(values))
    return Numbers(values, wrong, unit)


def _in_one_unit(read: pa.Array, units: pa.Array, plain: int) -> tuple[pa.Array, str, bool]:
    """The amounts in the commonest unit, null those in another; that unit; and whether plain numbers are the rarer."""
    named = pc.if_else(pc.is_null(read), None, pc.fill_null(units, ""))
    counts = {pair["values"]: pair["counts"] for pair in pc.value_counts(named.drop_null()).to_pylist()}
    bare = counts.pop("", 0) + plain
    if not counts:
        return read, "", False
    unit = max(sorted(counts), key=lambda name: counts[name])
    percent = unit == "%" and bare > 0
    if percent and bare >= counts[unit]:
        return pc.if_else(pc.equal(named, ""), read, None), "", False
    same = pc.equal(named, unit) if percent else pc.or_(pc.equal(named, unit), pc.equal(named, ""))
    return pc.if_else(same, read, None), unit, percent
