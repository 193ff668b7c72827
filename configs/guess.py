"""What each column of a data file seems to be: a feature, the event time, the subject, or nothing to learn from."""

import math
import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from configs.schema import COLUMN, RESERVED, Feature

MOST_CATEGORIES = 50
_COVERED = 0.8  # the share of rows the categories kept must cover
_NEARLY_UNIQUE = 0.5  # different values per row, from which text is a name or a note and no category


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PERSONAL = _words_of(
    """
    name firstname lastname surname forename fullname username email mail phone mobile telephone tel fax birth
    birthday birthdate dob born age address street city zip zipcode postcode postal latitude longitude ssn
    passport iban license licence taxid gender sex race ethnicity ethnic religion nationality citizenship
    marital disability pregnant orientation ip ipaddress mac patient health
    """
)
_TIMES = _words_of("time timestamp ts date datetime day at when created updated month")
_IDENTIFIERS = _words_of("id uuid guid key no number nr num index unnamed")
_SUBJECTS = _words_of(
    """
    customer user account client patient member driver device household subject person employee student merchant
    vehicle machine sensor store tailnum card borrower applicant id
    """
)


@dataclass(frozen=True, slots=True)
class Guess:
    """One column: the feature it would make, or why it makes none; `check` is what a person should look at."""

    name: str
    feature: Feature | None
    why: str = ""
    check: str = ""
    moment: bool = False  # could be the event time
    subject: bool = False  # could be what a decision is about


def words(name: str) -> list[str]:
    """The lower-case words of a column name.

    >>> words("customerID"), words("IP address"), words("e-mail_2")
    (['customer', 'id'], ['ip', 'address'], ['e', 'mail'])
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+", name)]


def guess(name: str, column: pa.ChunkedArray, whole: bool) -> Guess:
    """What the column seems to be; ranges are left open when the sample is not the whole file."""
    missing, kind = column.null_count > 0, column.type
    personal = _looks_personal(name, column)
    check = "looks personal" if personal else ""

    def left_out(why: str, moment: bool = False, subject: bool = False) -> Guess:
        return Guess(name, None, why + (", and looks personal" if personal else ""), "", moment, subject)

    if re.fullmatch(COLUMN, name) is None:
        return left_out(
            "has a name that cannot be declared; rename it to letters, digits, spaces and _ . ( ) % # & + -"
        )
    if column.null_count == len(column):
        return left_out("is empty in every row")
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return left_out("is a moment; derive what matters from it", moment=not missing)
    if not (_is_number(kind) or pa.types.is_boolean(kind) or _is_text(kind)):
        return left_out(f"holds {kind}; convert it to numbers, text or true and false")
    different = pc.count_distinct(column).as_py()
    subject = not missing and (_is_text(kind) or pa.types.is_integer(kind)) and _names_a_subject(name, different)
    if different == 1 and not missing:
        return left_out("has the same value in every row")
    if _is_number(kind) and _is_unix_time(name, column):
        return left_out("seems to be Unix seconds; derive what matters from it", moment=not missing)
    crowded = different > MOST_CATEGORIES and different >= _NEARLY_UNIQUE * (len(column) - column.null_count)
    if crowded and (_is_text(kind) or _IDENTIFIERS & set(words(name))):
        return left_out(f"is different in nearly every row ({different:,} values)", subject=subject)
    if name.casefold() in RESERVED:
        return left_out("has a name that the decision log uses itself; rename it to make it a feature", subject=subject)
    if pa.types.is_boolean(kind):
        return Guess(name, Feature(name=name, type="boolean", missing=missing, personal=personal), check=check)
    if _is_text(kind):
        return _category(name, column, different, missing, personal, check, subject)
    return _number(name, column, missing, personal, check, subject, whole)


def _category(
    name: str, column: pa.ChunkedArray, different: int, missing: bool, personal: bool, check: str, subject: bool
) -> Guess:
    counts = pc.value_counts(column.drop_null()).to_pylist()
    counts.sort(key=lambda pair: (-pair["counts"], pair["values"]))
    kept = counts[:MOST_CATEGORIES]
    share = sum(pair["counts"] for pair in kept) / (len(column) - column.null_count)
    if share < _COVERED:
        why = f"has {different:,} values, of which the {MOST_CATEGORIES} commonest cover {share:.0%} of rows"
        return Guess(name, None, why + (", and looks personal" if personal else ""), subject=subject)
    if different > len(kept):
        note = f"the {len(kept)} commonest of {different:,}, {share:.0%} of rows; others count as unknown"
        check = f"{check}; {note}" if check else note
    categories = tuple(pair["values"] for pair in kept)
    feature = Feature(name=name, type="category", categories=categories, missing=missing, personal=personal)
    return Guess(name, feature, "", check, subject=subject)


def _number(
    name: str, column: pa.ChunkedArray, missing: bool, personal: bool, check: str, subject: bool, whole: bool
) -> Guess:
    numbers = pc.cast(column, pa.float64(), safe=False)
    missing = missing or bool(pc.any(pc.is_nan(numbers)).as_py())
    bounds = pc.min_max(pc.if_else(pc.is_nan(numbers), None, numbers)).as_py()
    low, high = bounds["min"], bounds["max"]
    if low is None:
        return Guess(name, None, "is empty in every row")
    if max(abs(low), abs(high)) > 3.4e38:
        return Guess(name, None, "holds infinite or enormous values; clean them first")
    integer = pa.types.is_integer(column.type)
    feature = Feature(name=name, type="integer" if integer else "number", missing=missing, personal=personal)
    if whole:
        lowest, highest = widened(low, high, integer)
        feature = feature.model_copy(update={"min": lowest, "max": highest})
    return Guess(name, feature, "", check, subject=subject)


def widened(low: float, high: float, integer: bool) -> tuple[float, float]:
    """The range a tenth wider on both sides, in round figures, never across zero.

    >>> widened(18, 90, True), widened(0.2, 0.9, False), widened(-3.2, 41.77, False)
    ((10.0, 98.0), (0.0, 1.0), (-7.7, 46.3))
    """
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    room = (high - low) / 10 or abs(high) / 10 or 1.0
    step = 10.0 ** (math.floor(math.log10(room)) - (0 if room < 10 or not integer else 1)) if room > 0 else 1.0
    step = max(step, 1.0) if integer else step / 10
    lowest, highest = math.floor((low - room) / step) * step, math.ceil((high + room) / step) * step
    digits = max(0, -math.floor(math.log10(step)))
    lowest, highest = round(lowest, digits), round(highest, digits)
    return float(max(0.0, lowest) if low >= 0 else lowest), float(min(0.0, highest) if high <= 0 else highest)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_unix_time(name: str, column: pa.ChunkedArray) -> bool:
    if not _TIMES & set(words(name)):
        return False
    bounds = pc.min_max(column).as_py()
    return bool(float(bounds["min"]) > 1e8 and float(bounds["max"]) < 1e10)


def _names_a_subject(name: str, different: int) -> bool:
    return different > MOST_CATEGORIES and bool(_SUBJECTS & set(words(name)))


def _looks_personal(name: str, column: pa.ChunkedArray) -> bool:
    """By its name, or because its text looks like addresses of people."""
    found = words(name)
    if _PERSONAL & {*found, "".join(found)}:
        return True
    if not _is_text(column.type) or column.null_count == len(column):
        return False
    head = column.drop_null().slice(0, 1000)
    emails = pc.sum(pc.cast(pc.match_substring_regex(head, r"^[^@\s]+@[^@\s]+\.\w+$"), pa.int64())).as_py()
    return bool(emails > len(head) / 2)
