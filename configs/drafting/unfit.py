"""Columns whose values alone make them unfit as a feature: constant, a number or name of each row, or a year."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windvane.configs.drafting.names import IDENTIFIERS, words

MOST_CATEGORIES = 50
_NEARLY_UNIQUE = 0.5  # different values per row, from which text is a name or a note and no category
_FEW_ROWS = 50  # below, rows that count upwards may do so by chance


def unfit(name: str, values: pa.Array) -> str:
    """Reason why a column of numbers, text or truth cannot be a feature; empty where nothing is wrong with it."""
    different = pc.count_distinct(values).as_py()
    known = len(values) - values.null_count
    if different == 1:
        return "has the same value in every row" + " that has one" * bool(values.null_count)
    if _is_year(name, values):
        return "is a year of the calendar, and newer ones would lie beyond all that was learnt"
    if counts := _counts_rows(values, different):
        return counts
    text = pa.types.is_string(values.type)
    if different > MOST_CATEGORIES and different >= _NEARLY_UNIQUE * known and (text or IDENTIFIERS & set(words(name))):
        what = "a name, a note or an identifier" if text else "an identifier"
        return f"is different in nearly every row ({different:,} values): {what}"
    return ""


def _is_year(name: str, values: pa.Array) -> bool:
    """Whether a column called year, and nothing more, counts the years of the calendar."""
    if words(name) not in (["year"], ["yr"], ["jahr"]) or _whole(values) is None:
        return False
    bounds = pc.min_max(values).as_py()
    return bounds["min"] is not None and bool(bounds["min"] >= 1900 and bounds["max"] <= 2100)


def _counts_rows(values: pa.Array, different: int) -> str:
    """Tells that a column of whole numbers only counts its rows; empty where it does not."""
    whole = None if values.null_count or different < len(values) or different < _FEW_ROWS else _whole(values)
    if whole is None:
        return ""
    numbers = whole.to_numpy(zero_copy_only=False)
    steps = np.diff(numbers)
    if (steps == steps[0]).all():
        return f"counts the rows, from {numbers[0]:,} to {numbers[-1]:,}"
    if int(numbers.max()) - int(numbers.min()) < 2 * len(numbers):
        return f"numbers the rows: {different:,} different numbers between {numbers.min():,} and {numbers.max():,}"
    rises = bool((steps > 0).all() or (steps < 0).all())
    if rises and np.abs(steps).max() <= 100 * np.median(np.abs(steps)):
        return f"is a serial number: it {'rises' if steps[0] > 0 else 'falls'} with every row"
    return ""


def _whole(values: pa.Array) -> pa.Array | None:
    """Whole numbers as such, also where they are declared or were read with a point; None for everything else."""
    if pa.types.is_integer(values.type):
        return values
    if not pa.types.is_floating(values.type):
        return None
    present = values.drop_null()
    if pc.all(pc.and_(pc.equal(pc.floor(present), present), pc.less(pc.abs(present), 2.0**53))).as_py() is not True:
        return None
    return pc.cast(values, pa.int64())
