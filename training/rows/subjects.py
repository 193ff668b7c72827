"""Keeps erased subjects' rows out of training; the others are known by their keyed hash only."""

from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc


class Subjects(Protocol):
    """Tells what the vault knows of subjects."""

    def hash(self, subject: str) -> str:
        """Name of the subject in the log."""

    def erased(self) -> frozenset[str]:
        """The hashes of all subjects that were ever erased."""


def allowed(table: pa.Table, column: str, subjects: Subjects) -> pa.Table:
    """The rows of subjects that were not erased, with the column's names replaced by their hashes; nulls stay."""
    named = table[column].combine_chunks().dictionary_encode()
    names = named.dictionary.to_pylist()
    hashes = [None if name is None else subjects.hash(name) for name in names]
    replaced = pa.DictionaryArray.from_arrays(named.indices, pa.array(hashes, pa.string())).cast(pa.string())
    erased = subjects.erased().intersection(each for each in hashes if each is not None)
    replaced_table = table.set_column(table.column_names.index(column), column, replaced)
    if not erased:
        return replaced_table
    return replaced_table.filter(pc.invert(pc.is_in(replaced, value_set=pa.array(sorted(erased), pa.string()))))
