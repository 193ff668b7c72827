from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.unify import Part, unify


def joined(*columns: pa.Array) -> list[object]:
    parts = [Part(f"{place}.parquet", pa.table({"x": column})) for place, column in enumerate(columns, 1)]
    values: list[object] = unify(parts).column("x").to_pylist()
    return values


def test_numbers_are_widened_where_nothing_is_lost() -> None:
    assert joined(pa.array([1], pa.int8()), pa.array([2], pa.int64())) == [1, 2]
    assert joined(pa.array([1]), pa.array([2.5]), pa.nulls(1)) == [1.0, 2.5, None]
    assert joined(pa.nulls(1), pa.array(["a"])) == [None, "a"]


def test_what_is_text_in_one_file_is_read_as_text_in_all() -> None:
    assert joined(pa.array([1, 2]), pa.array(["n/a "])) == ["1", "2", "n/a "]
    assert joined(pa.array([0, 1]), pa.array([True])) == ["0", "1", "true"]
    assert joined(pa.array(["a"]).dictionary_encode(), pa.array(["b"], pa.large_string())) == ["a", "b"]


def test_days_and_moments_are_moments() -> None:
    moment = datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert joined(pa.array([date(2024, 1, 1)]), pa.array([moment])) == [moment.replace(hour=0), moment]


def test_types_that_cannot_be_one_are_named_with_both_files() -> None:
    with pytest.raises(
        BadTable, match=r"column 'x' is int64 in 1\.parquet and timestamp\[us\] in 2\.parquet; write both files with"
    ):
        joined(pa.array([1]), pa.array([datetime(2024, 1, 1)]))
    with pytest.raises(BadTable, match=r"is list<.*> in 1\.parquet and int64 in 2\.parquet"):
        joined(pa.array([[1]]), pa.array([1]))
    with pytest.raises(BadTable, match=r"is int64 in 1\.parquet and double in 2\.parquet, which cannot hold all"):
        joined(pa.array([2**53 + 1]), pa.array([0.5]))


def test_a_column_that_a_file_does_not_have_is_null_there() -> None:
    rows = unify([Part("1", pa.table({"x": [1], "y": [2]})), Part("2", pa.table({"x": [3]}))])
    assert rows.to_pydict() == {"x": [1, 3], "y": [2, None]}
