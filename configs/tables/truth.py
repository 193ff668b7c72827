"""Truth values as people write them."""

import pyarrow as pa
import pyarrow.compute as pc

from windvane.configs.tables.missing import blanked

TRUE = ("true", "t", "yes", "y", "1", "on", "wahr", "ja", "vrai", "oui", "verdadero", "sí", "si", "vero")
FALSE = ("false", "f", "no", "n", "0", "off", "falsch", "nein", "faux", "non", "falso")


def is_truth(text: str) -> bool | None:
    """True, false, or None for what is neither.

    >>> is_truth("Yes"), is_truth("0.0"), is_truth("maybe")
    (True, False, None)
    """
    word = _word(text)
    return True if word in TRUE else False if word in FALSE else None


def truths(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """A column of text as bool, null where missing; and where it is neither true nor false."""
    text = blanked(column)
    words = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    words = pc.replace_substring_regex(words, pattern=r"^([01])[.,]0+$", replacement=r"\1")
    true = pc.is_in(words, value_set=pa.array(TRUE))
    false = pc.is_in(words, value_set=pa.array(FALSE))
    unknown = pc.and_(pc.is_valid(text), pc.invert(pc.or_(true, false)))
    return pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_())), unknown


def _word(text: str) -> str:
    word = text.strip().casefold()
    whole, point, decimals = word.replace(",", ".").partition(".")
    return whole if point and decimals and not decimals.strip("0") and whole in ("0", "1") else word
