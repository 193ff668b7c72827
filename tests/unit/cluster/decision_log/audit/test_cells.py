"""Cells: every bit that a record says must stand in its columns."""

from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.log.decision_log import COLUMNS, decision, outcome, shadow
from windvane.cluster.decision_log.audit.cells import BATCH, changed_cells
from windvane.cluster.decision_log.read.columns import DATASETS, Dataset, Table, rows_of, table
from windvane.cluster.decision_log.record import DENIED, DENY, Decision, Outcome, Record
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


REFUSED = msgspec.structs.replace(
    decision("d2", features=(nan, None, None, None)),
    version=0,
    arm=DENIED,
    prediction=None,
    reasons=(),
    context={},
    caller="front-desk",
    roles=("client", "owner"),
    scope=("flight-delay",),
    purpose="é" * 200,
    consent=False,
    verdict=DENY,
    policies=("purpose",),
    policy_version="4f" * 32,
    personal=bytes(range(256)) * 2,
)
EXPLAINED = msgspec.structs.replace(
    decision("d3", features=(-0.0, -(1 << 40), False, "DL")),
    unit_hash=(1 << 64) - 1,
    event_time=inf,
    explanation=(0.0, nan, 1.5),
    context={"event_time": "2026-03-01T00:00:00Z", "n": -7, "share": 0.5, "ok": True, "none": None},
    personal=b"",
    request_id="order-1",
    scope=(),
    consent=True,
)
PLAINEST = msgspec.structs.replace(
    decision("d5", features=(0.0, 0, False, "")), prediction=0.0, version=0, context={}, request_id="", purpose="p" * 40
)
DECISIONS = (decision("d1"), REFUSED, EXPLAINED, decision("d4", features=(7, 1, True, "")), PLAINEST)
OUTCOMES = (outcome("d1", False), outcome("d2", None, cost=1.5, delay=-0.0), Outcome("d3", 1.0, False, {}, "registry"))
SHADOWS = (shadow(["d1", "d2"]), shadow([]), shadow([f"d{n}" for n in range(70)]))
KINDS: list[tuple[Dataset, Sequence[Record]]] = [
    ("decisions", DECISIONS),
    ("outcomes", OUTCOMES),
    ("shadows", SHADOWS),
]


@pytest.mark.parametrize(("dataset", "records"), KINDS)
def test_what_was_recorded_is_no_change(dataset: Dataset, records: Sequence[Record]) -> None:
    assert dataset in DATASETS
    assert changed(dataset, *stored(dataset, *records)) == []
    many = [*records] * (BATCH // len(records) + 1)
    assert changed(dataset, *stored(dataset, *many)) == []


@pytest.mark.parametrize(("dataset", "records"), KINDS)
def test_any_cell_that_says_something_else_is_named(dataset: Dataset, records: Sequence[Record]) -> None:
    found, payloads = stored(dataset, *records)
    for column in found.column_names:
        values = found[column].to_pylist()
        for row in range(len(records)):
            for other in (None, values[row - 1]):
                same = repr(values[row]) == repr(other)
                expected = [] if same else [(row, column)]
                assert changed(dataset, with_cell(found, row, column, other), payloads) == expected, (column, row)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_a_record_that_became_another_is_named_and_nothing_beside_it(
    kind: tuple[Dataset, Sequence[Record]], draw: st.DataObject
) -> None:
    dataset, records = kind
    found, payloads = stored(dataset, *records)
    row = draw.draw(st.integers(0, len(records) - 1))
    content = bytearray(payloads[row])
    content[draw.draw(st.integers(0, len(content) - 1))] ^= draw.draw(st.integers(1, 255))
    payloads[row] = bytes(content)
    named = changed(dataset, found, payloads)
    assert {place for place, _ in named} <= {row}
    try:
        now = msgspec.msgpack.decode(payloads[row], type=type(records[row]))
    except (msgspec.DecodeError, UnicodeDecodeError):
        assert named == [(row, "record")]
    else:
        assert named or repr(now) == repr(records[row])


@pytest.mark.parametrize("field", ["context", "grounds"])
@pytest.mark.parametrize("other", [False, None, {}, 7, ""])
def test_a_part_that_became_another_of_one_byte_is_named(field: str, other: object) -> None:
    """Whatever had one byte was taken for nothing: null for false, an empty map for a number."""
    found, payloads = stored("decisions", msgspec.structs.replace(decision("d1"), context={}))
    fields = msgspec.msgpack.decode(payloads[0])
    place = 1 + Decision.__struct_fields__.index(field)
    before, fields[place] = fields[place], other
    payloads[0] = msgspec.msgpack.encode(fields)
    assert changed("decisions", found, payloads) == ([] if repr(before) == repr(other) else [(0, "record")])


@pytest.mark.parametrize("change", [lambda values: values[:-1], lambda values: [*values, 0.5]])
def test_a_list_that_is_too_long_or_too_short_is_named(change: Callable[[list[float]], list[float]]) -> None:
    found, payloads = stored("shadows", *SHADOWS)
    values = change(found["predictions"].to_pylist()[0])
    assert changed("shadows", with_cell(found, 0, "predictions", values), payloads) == [(0, "predictions")]


def test_what_only_looks_like_the_record_is_named() -> None:
    largest, least = (1 << 64) - 1, -1  # the same bits
    found, (payload,) = stored("decisions", msgspec.structs.replace(PLAINEST, unit_hash=largest))
    fields = msgspec.msgpack.decode(payload)
    fields[8] = least
    assert changed("decisions", found, [msgspec.msgpack.encode(fields)]) == [(0, "record")]
    assert changed("decisions", found, [payload + b"\xc0"]) == [(0, "record")]
    assert changed("decisions", with_cell(found, 0, "context", "{} "), [payload]) == [(0, "context")]


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
