"""Guesses what each column of a data file is: a feature, an audited group, the event time, the subject, or neither."""

import math
import re
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from windvane.configs.drafting.column import FAR, Column, as_moment
from windvane.configs.drafting.names import IDENTIFIERS, PERSONAL, SUBJECTS, is_protected, is_proxy, words
from windvane.configs.drafting.unfit import MOST_CATEGORIES, unfit
from windvane.configs.schema import COLUMN, RESERVED, Attribute, Feature
from windvane.configs.tables.coerce import LONGEST_TEXT
from windvane.configs.tables.moments import Moments

_COVERED = 0.8  # the share of rows the categories kept must cover
_EXACT = 2**53
_PERIOD = r"^(?:\d{4}[-/ ]?(?:[QqHh][1-4]|[WwMm]\d{1,2})|[A-Za-z]{3,9}[-/ ]\d{4})$"


@dataclass(frozen=True, slots=True)
class Guess:
    """One column: the feature or audited column it would make, or why it makes none; `check` is for a person."""

    name: str
    feature: Feature | None
    why: str = ""
    check: str = ""
    moment: Moments | None = None  # could be the event time
    subject: bool = False  # could be what a decision is about
    audit: Attribute | None = None
    proxy: bool = False  # may stand for an audited group


def guess(column: Column) -> Guess:
    """Guesses what the column is."""
    name, values, missing = column.name, column.values, column.missing
    personal = _looks_personal(column)
    notes = [*(("looks personal",) if personal else ()), *column.doubts]

    def left_out(why: str, moment: Moments | None = None, subject: bool = False, proxy: bool = False) -> Guess:
        what = why + (", and looks personal" if personal else "")
        return Guess(name, None, what, moment=None if missing else moment, subject=subject, proxy=proxy)

    if re.fullmatch(COLUMN, name) is None:
        return left_out(
            "has a name that cannot be declared; rename it to letters, digits, spaces and _ . ( ) % # & + -"
        )
    if column.unreadable:
        return left_out(column.unreadable)
    if values.null_count == len(values):
        return left_out("is empty in every row")
    if column.kind == "moment":
        return left_out("is a moment; derive what matters from it", column.moments)
    different = pc.count_distinct(values).as_py()
    subject = not missing and column.kind in ("text", "integer") and _names_a_subject(name, different)
    moment = as_moment(column) if different > 1 else None
    if moment is not None:
        return left_out("is a moment, written as a number; derive what matters from it", moment)
    if why := unfit(name, values):
        return left_out(why, subject=subject)
    if is_proxy(name):
        return left_out("tells where somebody lives, which may stand for race or origin", subject=subject, proxy=True)
    if name.casefold() in RESERVED:
        return left_out("has a name that the decision log uses itself; rename it to make it a feature", subject=subject)
    if is_protected(name) and different <= MOST_CATEGORIES:
        return _audited(column, notes)
    if column.kind == "boolean":
        feature = Feature(name=name, type="boolean", missing=missing, personal=personal)
        return Guess(name, feature, check="; ".join(notes))
    if column.kind == "text":
        return _category(column, different, personal, notes, subject)
    if IDENTIFIERS & set(words(name)) and column.kind == "integer":
        notes.append("looks like an identifier, whose order means nothing: a category, as text, may be meant")
    if is_protected(name):
        notes.append("looks like a protected group; those belong under audit")
    return _number(column, personal, notes, subject)


def _audited(column: Column, notes: list[str]) -> Guess:
    """A group to audit by: its values as text, the commonest first."""
    values = column.values
    if column.kind == "boolean":
        return Guess(column.name, None, audit=Attribute(name=column.name, type="boolean", missing=column.missing))
    if column.kind == "number":
        why = "seems to name a protected group, in numbers with decimals: group it where the rows are made"
        return Guess(column.name, None, why)
    groups = pc.cast(values.drop_null(), pa.string())
    if pc.max(pc.utf8_length(groups)).as_py() > LONGEST_TEXT:
        return Guess(column.name, None, f"holds texts of more than {LONGEST_TEXT} characters")
    counts = pc.value_counts(groups).to_pylist()
    counts.sort(key=lambda pair: (-pair["counts"], pair["values"]))
    attribute = Attribute(
        name=column.name,
        type="category",
        categories=tuple(pair["values"] for pair in counts),
        missing=column.missing,
    )
    check = "; ".join(["looks like a protected group, so it is audited and never decides", *notes[1:]])
    return Guess(column.name, None, check=check, audit=attribute)


def _category(column: Column, different: int, personal: bool, notes: list[str], subject: bool) -> Guess:
    name, values = column.name, column.values
    if pc.any(pc.match_substring_regex(pc.unique(values.drop_null()), _PERIOD)).as_py():
        return Guess(name, None, "holds spans of the calendar, and newer ones will be unknown", subject=subject)
    if pc.max(pc.utf8_length(values)).as_py() > LONGEST_TEXT:
        return Guess(name, None, f"holds texts of more than {LONGEST_TEXT} characters", subject=subject)
    counts = pc.value_counts(values.drop_null()).to_pylist()
    counts.sort(key=lambda pair: (-pair["counts"], pair["values"]))
    kept = counts[:MOST_CATEGORIES]
    share = sum(pair["counts"] for pair in kept) / (len(values) - values.null_count)
    if share < _COVERED:
        why = f"has {different:,} values, of which the {MOST_CATEGORIES} commonest cover {share:.0%} of rows"
        return Guess(name, None, why + (", and looks personal" if personal else ""), subject=subject)
    if different > len(kept):
        notes = [*notes, f"the {len(kept)} commonest of {different:,}, {share:.0%} of rows; others count as unknown"]
    if column.kept:
        named = " and ".join(map(repr, column.kept[:3]))
        notes = [
            *notes,
            f"{named} is taken as a value; if it means that none is known, delete it and write missing: true",
        ]
    categories = tuple(pair["values"] for pair in kept)
    feature = Feature(name=name, type="category", categories=categories, missing=column.missing, personal=personal)
    return Guess(name, feature, check="; ".join(notes), subject=subject)


def _number(column: Column, personal: bool, notes: list[str], subject: bool) -> Guess:
    name = column.name
    bounds = pc.min_max(column.values).as_py()
    low, high = float(bounds["min"]), float(bounds["max"])
    if not max(abs(low), abs(high)) <= 3.4e38:
        return Guess(name, None, "holds infinite or enormous values; clean them first")
    integer = column.kind == "integer"
    if max(abs(low), abs(high)) > _EXACT and (integer or _whole(column.values)):
        return Guess(name, None, FAR)
    feature = Feature(
        name=name,
        type="integer" if integer else "number",
        unit=column.unit,
        missing=column.missing,
        personal=personal,
        usual=widened(low, high, integer),
    )
    return Guess(name, feature, check="; ".join(notes), subject=subject)


def widened(low: float, high: float, integer: bool) -> tuple[float, float]:
    """The range a tenth wider on both sides, in round figures, never across zero.

    >>> widened(18, 90, True), widened(0.2, 0.9, False), widened(-3.2, 41.77, False)
    ((10.0, 98.0), (0.0, 1.0), (-7.7, 46.3))
    """
    if low >= 0 and high <= 1 and high > 0.01:
        return 0.0, 1.0
    room = (high - low) / 10 or abs(high) / 10 or 1.0
    step = 10.0 ** (math.floor(math.log10(room)) - (0 if room < 10 or not integer else 1)) if room > 0 else 1.0
    step = max(step, 1.0) if integer else step / 10
    lowest, highest = math.floor((low - room) / step) * step, math.ceil((high + room) / step) * step
    digits = max(0, -math.floor(math.log10(step)))
    lowest, highest = round(lowest, digits), round(highest, digits)
    return float(max(0.0, lowest) if low >= 0 else lowest), float(min(0.0, highest) if high <= 0 else highest)


def doubted(one: Guess, note: str) -> Guess:
    """The same guess with one thing more to check."""
    return replace(one, check=f"{one.check}; {note}" if one.check else note)


def _whole(values: pa.Array) -> bool:
    return bool(pc.all(pc.equal(pc.floor(values), values)).as_py())


def _names_a_subject(name: str, different: int) -> bool:
    return different > MOST_CATEGORIES and bool(SUBJECTS & set(words(name)))


def _looks_personal(column: Column) -> bool:
    """By its name, or because its text looks like addresses of people."""
    found = words(column.name)
    if PERSONAL & {*found, "".join(found)}:
        return True
    if column.kind != "text" or column.values.null_count == len(column.values):
        return False
    head = column.values.drop_null().slice(0, 1000)
    emails = pc.sum(pc.cast(pc.match_substring_regex(head, r"^[^@\s]+@[^@\s]+\.\w+$"), pa.int64())).as_py()
    return bool(emails > len(head) / 2)
