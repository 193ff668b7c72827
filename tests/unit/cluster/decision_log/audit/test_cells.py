"""Cells: every bit that a record says must stand in its columns."""

from math import nan
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from tests.worlds.log.decision_log import COLUMNS, decision, outcome, shadow
from windvane.cluster.decision_log.audit.cells import changed_cells
from windvane.cluster.decision_log.read.columns import DATASETS, Dataset, Table, rows_of, table
from windvane.cluster.decision_log.record import Record
from windvane.cluster.decision_log.write.segment import Header

HEADER = Header("flight-delay", "w", 1.0, COLUMNS)


def stored(dataset: Dataset, *records: Record) -> tuple[Table, list[bytes]]:
    payloads = [msgspec.msgpack.encode(record) for record in records]
    return table(dataset, rows_of(dataset, payloads), HEADER.features), payloads


def changed(dataset: Dataset, found: Table, payloads: list[bytes]) -> list[tuple[int, str]]:
    return list(changed_cells(dataset, found, payloads, HEADER))


def with_cell(found: Table, row: int, column: str, value: object) -> Table:
    values = found[column].to_pylist()
    values[row] = value
    place = found.column_names.index(column)
    return found.set_column(place, found.schema.field(column), pa.array(values, found.schema.field(column).type))


EXPLAINED = msgspec.structs.replace(decision("d3", features=(nan, None, None, "UA")), explanation=(0.0, nan, 1.5))


@pytest.mark.parametrize(
    ("dataset", "records"),
    [
        ("decisions", (decision("d1"), decision("d2", features=(0.0, 1, False, "DL")), EXPLAINED)),
        ("shadows", (shadow(["d1", "d2"]), shadow([]))),
        ("outcomes", (outcome("d1", cost=1.5), outcome("d2", None))),
    ],
)
def test_what_was_recorded_is_no_change(dataset: Dataset, records: tuple[Record, ...]) -> None:
    assert dataset in DATASETS
    assert changed(dataset, *stored(dataset, *records)) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("x_temp", -0.0),
        ("x_temp", None),
        ("explanation", [-0.0, nan, 1.5]),
        ("explanation", [0.0, nan]),
        ("reasons", []),
    ],
)
def test_every_bit_counts(column: str, value: Any) -> None:
    found, payloads = stored(
        "decisions", decision("d1"), msgspec.structs.replace(EXPLAINED, features=(0.0, 1, True, "UA"))
    )
    assert changed("decisions", with_cell(found, 1, column, value), payloads) == [(1, column)]


def test_a_column_that_is_gone_or_of_another_type_is_changed() -> None:
    found, payloads = stored("decisions", decision("d1"), decision("d2"))
    assert changed("decisions", found.drop_columns(["action"]), payloads) == [(0, "action"), (1, "action")]
    other = found.set_column(0, "decision_id", pa.array([{"a": 1}] * 2))
    assert changed("decisions", other, payloads) == [(0, "decision_id"), (1, "decision_id")]


def test_a_column_that_came_after_the_file_was_sealed_is_no_change() -> None:
    plain = msgspec.structs.replace(decision("d1"), reasons=())
    found, payloads = stored("decisions", plain, decision("d2"))
    assert changed("decisions", found.drop_columns(["reasons", "personal"]), payloads) == [(1, "reasons")]


def test_an_outcome_that_was_sealed_before_it_said_who_reported_it_is_no_change() -> None:
    older, newer = outcome("d1", cost=1.5), msgspec.structs.replace(outcome("d2"), caller="ann")
    found, payloads = stored("outcomes", older, newer)
    payloads[0] = msgspec.msgpack.encode(("outcome", "d1", 11.0, True, {"cost": 1.5}))
    assert changed("outcomes", found, payloads) == []
    assert changed("outcomes", found.drop_columns(["caller"]), payloads) == [(1, "caller")]
    assert changed("outcomes", with_cell(found, 0, "caller", "bob"), payloads) == [(0, "caller")]


@pytest.mark.parametrize("payload", [msgspec.msgpack.encode(outcome("d2")), b"rubbish", b"\x92\xa8decision\xa1\xff"])
def test_a_record_of_another_kind_is_named(payload: bytes) -> None:
    found, payloads = stored("decisions", decision("d1"), decision("d2"), decision("d3"))
    found = with_cell(found, 2, "action", "other")
    assert changed("decisions", found, [payloads[0], payload, payloads[2]]) == [(1, "record"), (2, "action")]
