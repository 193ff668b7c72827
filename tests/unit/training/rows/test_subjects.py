"""Rows are known by their subject's keyed hash, and those of erased subjects are left out."""

import pyarrow as pa

from windvane.training.rows.subjects import allowed


class Names:
    """Hashes are the names in capitals."""

    def __init__(self, *erased: str) -> None:
        self._erased = frozenset(erased)

    def hash(self, subject: str) -> str:
        return subject.upper()

    def erased(self) -> frozenset[str]:
        return self._erased


ROWS = pa.table({"n": [1, 2, 3, 4], "who": pa.chunked_array([["a", None], ["b", "a"]], pa.string())})


def test_names_become_hashes_and_rows_without_one_stay() -> None:
    assert allowed(ROWS, "who", Names("Z")).to_pydict() == {"n": [1, 2, 3, 4], "who": ["A", None, "B", "A"]}


def test_erased_subjects_are_left_out() -> None:
    assert allowed(ROWS, "who", Names("A")).to_pydict()["n"] == [2, 3]
    assert allowed(ROWS, "who", Names("A", "B")).to_pydict()["n"] == [2]
