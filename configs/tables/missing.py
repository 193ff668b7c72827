"""Texts that stand for a missing value: one list for drafting, training and serving."""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

# Compared without case and surrounding blanks.
TEXTS = frozenset(
    (
        *("", "na", "n/a", "n.a.", "n.a", "n/k", "nan", "-nan", "+nan", "<na>", "#n/a", "#na", "#n/a n/a", "nat"),
        *("null", "(null)", "[null]", "<null>", "none", "(none)", "nil", "\\n", "undefined"),
        *("?", "??", "???", "-", "--", "---", "–", "—", ".", "..", "...", "*", "_"),
        *("#null!", "#value!", "#ref!", "#div/0!", "#name?", "#num!", "#wert!", "#bezug!", "#nv"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "k.a.", "k. a.", "(blank)", "(leer)"),
    )
)
# Of these, what names nothing in any language: a category drafted from data is none of them.
MARKERS = TEXTS - {"na", "none", "nil", "(none)", "-", "--", "*", "_", "undefined", "nat", "n/k"}


def means_missing(text: str, declared: Collection[str] = ()) -> bool:
    """Whether a text stands for no value; a declared category stands for itself.

    >>> means_missing(" n/a "), means_missing("NA", declared=("NA", "ZA")), means_missing("0")
    (True, False, False)
    """
    return text.strip().casefold() in TEXTS and text not in declared


def blanked(column: pa.ChunkedArray, declared: Collection[str] = (), texts: Collection[str] = TEXTS) -> pa.ChunkedArray:
    """The column of text with null where it stands for no value."""
    missing = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(column)), value_set=pa.array(sorted(texts), pa.string()))
    if declared:
        missing = pc.and_not(missing, pc.is_in(column, value_set=pa.array(list(declared), pa.string())))
    return pc.if_else(missing, pa.scalar(None, pa.string()), column)
