"""The log's columns: features read straight from the bytes are what reading them one by one gives."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.log.decision_log import COLUMNS, decision, outcome, shadow
from windvane.cluster.decision_log.grounds import Grounds, NoneFound, Reason
from windvane.cluster.decision_log.read.columns import SegmentRows, rows, table
from windvane.cluster.decision_log.record import Value
from windvane.cluster.decision_log.write.segment import FeatureColumn

WIDE = tuple(
    FeatureColumn(f"f{place}", "number") for place in range(20)
)  # beyond 15 a row's length takes two bytes more
FLOATS = st.floats(width=64, allow_nan=False)


def read(*features: tuple[Value, ...]) -> SegmentRows:
    payloads = [msgspec.msgpack.encode(decision(f"d{n}", features=row)) for n, row in enumerate(features)]
    return rows(payloads)["decisions"]


def numbers(columns: tuple[FeatureColumn, ...], *features: tuple[Value, ...]) -> list[list[object]]:
    found = table("decisions", read(*features), columns)
    return [list(row) for row in zip(*(found[f"x_{column.name}"].to_pylist() for column in columns), strict=True)]


@pytest.mark.parametrize("width", [1, 15, 16, 20])
def test_rows_of_floats_come_out_as_they_went_in(width: int) -> None:
    rows = [tuple(float(place) - row / 3.0 for place in range(width)) for row in range(3)]
    assert numbers(WIDE[:width], *rows) == [list(row) for row in rows]


def test_infinity_and_what_is_no_number_stay_what_they_are() -> None:
    (found,) = numbers(WIDE[:3], (math.inf, -0.0, math.nan))
    assert repr(found) == "[inf, -0.0, nan]"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((1, 2.5), [1.0, 2.5]),
        ((None, 2.5), [None, 2.5]),
        (("9", 2.5), [None, 2.5]),
        ((2.5,), [2.5, None]),
        ((1.5, 2.5, 3.5), [1.5, 2.5]),
        ((), [None, None]),
    ],
)
def test_one_row_that_is_not_all_floats_changes_no_other(row: tuple[Value, ...], expected: list[object]) -> None:
    assert numbers(WIDE[:2], (7.0, 8.0), row) == [[7.0, 8.0], expected]
    assert numbers(WIDE[:2], row) == [expected]


def test_rows_of_as_many_bytes_but_other_values_are_told_apart() -> None:
    """Nine bytes each: a float64, an integer beyond 32 bits, and a text of eight letters."""
    assert numbers(WIDE[:1], (1.0,), (1 << 40,), ("eight888",)) == [[1.0], [float(1 << 40)], [None]]


@given(st.lists(st.lists(FLOATS | st.integers(-(1 << 53), 1 << 53) | st.none(), min_size=2, max_size=2), max_size=4))
@settings(max_examples=60)
def test_any_numbers_come_out_as_floats(values: list[list[float | int | None]]) -> None:
    expected = [[None if value is None else float(value) for value in row] for row in values]
    assert not values or numbers(WIDE[:2], *map(tuple, values)) == expected


def test_types_and_context_are_opened() -> None:
    found = table("decisions", read((20.5, 7, True, "UA")), COLUMNS).to_pylist()[0]
    assert [found[f"x_{column.name}"] for column in COLUMNS] == [20.5, 7, True, "UA"]
    assert found["context"] == '{"k":1}'


def test_no_context_is_an_empty_object() -> None:
    bare = msgspec.structs.replace(decision("d1"), context={})
    found = rows([msgspec.msgpack.encode(bare)])["decisions"]
    assert table("decisions", found, COLUMNS)["context"].to_pylist() == ["{}"]


def test_grounds_are_kept_as_text_and_absent_where_nothing_was_owed() -> None:
    grounds = Grounds((Reason("debt", 41.0, 0.5, "Debts are high"),), NoneFound("None found", ("debt",), 1, 9))
    told = msgspec.structs.replace(decision("d2"), explanation=(0.1, 0.5), grounds=grounds)
    found = rows([msgspec.msgpack.encode(decision("d1")), msgspec.msgpack.encode(told)])["decisions"]
    none, text = table("decisions", found, COLUMNS)["grounds"].to_pylist()
    assert none is None
    assert msgspec.json.decode(text, type=Grounds) == grounds


def test_each_record_goes_to_its_own_dataset_with_its_place() -> None:
    payloads = [msgspec.msgpack.encode(record) for record in (outcome("d1"), decision("d1"), shadow(["d1"]))]
    found = rows(payloads, first_position=5)
    assert {dataset: of.positions for dataset, of in found.items()} == {
        "outcomes": [5],
        "decisions": [6],
        "shadows": [7],
    }
