"""Agreement: what is taken for the same without being decoded is the same, and what is usual is taken for the same."""

from collections.abc import Sequence
from math import inf, nan
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.log.decision_log import COLUMNS, decision, outcome, shadow
from windvane.cluster.decision_log.audit import cells
from windvane.cluster.decision_log.audit.column_check import ROWS, agreeing
from windvane.cluster.decision_log.grounds import Grounds, Reason
from windvane.cluster.decision_log.read.columns import Dataset, Table, rows_of, table
from windvane.cluster.decision_log.record import DENIED, DENY, Act, Decision, Outcome, Record, Shadow
from windvane.cluster.decision_log.write.segment import Header

HEADER = Header("flight-delay", "w", 1.0, COLUMNS)
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


def stored(dataset: Dataset, records: Sequence[Record]) -> tuple[Table, list[bytes]]:
    payloads = [msgspec.msgpack.encode(record) for record in records]
    return table(dataset, rows_of(dataset, payloads), COLUMNS), payloads


def agreed(dataset: Dataset, found: Table, payloads: Sequence[bytes]) -> list[int]:
    return list(agreeing(dataset, found, payloads, HEADER).tolist())


@pytest.mark.parametrize(("dataset", "records"), KINDS)
def test_whatever_is_usual_agrees(dataset: Dataset, records: Sequence[Record]) -> None:
    found, payloads = stored(dataset, records)
    assert agreed(dataset, found, payloads) == list(range(len(records)))
    assert one_by_one(dataset, found, payloads) == set(range(len(records)))


def test_more_rows_than_are_looked_at_together_agree() -> None:
    found, payloads = stored("decisions", [*DECISIONS[:4]] * (ROWS // 4 + 2))
    assert len(agreed("decisions", found, payloads)) == ROWS + 8
    shifted = found.slice(ROWS - 1, 5)
    assert agreed("decisions", shifted, payloads[ROWS - 1 : ROWS + 4]) == [0, 1, 2, 3, 4]


def test_what_is_rare_is_left_to_be_read_one_by_one() -> None:
    grounds = msgspec.structs.replace(decision("d1"), grounds=Grounds((Reason("temp", 20.5, 0.5, "It is warm"),)))
    older = msgspec.msgpack.encode(msgspec.to_builtins(decision("d2")))[:1]
    found, payloads = stored("decisions", [grounds, decision("d2")])
    assert agreed("decisions", found, payloads) == [1]
    assert agreed("decisions", found, [payloads[0], older]) == []
    assert agreed("decisions", found.drop_columns(["caller"]), payloads) == []
    act = Act(1.0, "read", "ann", "", None, "read the log")
    assert agreed("acts", *stored("acts", [act])) == []
    assert agreed("decisions", found.slice(0, 0), []) == []


def one_by_one(dataset: Dataset, found: Table, payloads: Sequence[bytes]) -> set[int]:
    """The rows of which nothing is found to be changed when they are decoded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "agreeing", lambda *_: np.empty(0, np.int64))
        changed = {row for row, _ in cells.changed_cells(dataset, found, payloads, HEADER)}
    return set(range(len(payloads))) - changed


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_any_byte_of_a_record_that_is_flipped_cut_or_put_in_is_seen(
    kind: tuple[Dataset, Sequence[Record]], draw: st.DataObject
) -> None:
    dataset, records = kind
    found, payloads = stored(dataset, records)
    row = draw.draw(st.integers(0, len(records) - 1))
    content = bytearray(payloads[row])
    place = draw.draw(st.integers(0, len(content) - 1))
    how = draw.draw(st.sampled_from(["flip", "cut", "put in", "drop"]))
    if how == "flip":
        content[place] ^= draw.draw(st.integers(1, 255))
    elif how == "cut":
        del content[place:]
    elif how == "drop":
        del content[place]
    else:
        content[place:place] = draw.draw(st.binary(min_size=1, max_size=9))
    payloads[row] = bytes(content)
    agree = set(agreed(dataset, found, payloads))
    assert set(range(len(records))) - {row} <= agree
    assert row not in agree or row in one_by_one(dataset, found, payloads)


@pytest.mark.parametrize(("dataset", "records"), KINDS)
def test_any_cell_that_says_something_else_is_seen(dataset: Dataset, records: Sequence[Record]) -> None:
    found, payloads = stored(dataset, records)
    for place, field in enumerate(found.schema):
        values: list[Any] = found[field.name].to_pylist()
        for row in range(len(records)):
            for other in (None, values[row - 1]):
                cells_of = pa.array([*values[:row], other, *values[row + 1 :]], field.type)
                changed = found.set_column(place, field, cells_of)
                agree = set(agreed(dataset, changed, payloads))
                assert set(range(len(records))) - {row} <= agree
                assert row not in agree or row in one_by_one(dataset, changed, payloads), (field.name, row, other)


def test_what_only_looks_like_the_record_does_not_agree() -> None:
    found, (payload,) = stored("decisions", [PLAINEST])
    fields: list[Any] = msgspec.msgpack.decode(payload)
    as_bytes = [each.encode() if each == PLAINEST.purpose else each for each in fields]
    assert agreed("decisions", found, [msgspec.msgpack.encode(fields)]) == [0]
    for forged in (as_bytes, [*fields, None], ["shadow", *fields[1:]]):
        assert agreed("decisions", found, [msgspec.msgpack.encode(forged)]) == []
    assert agreed("decisions", found, [payload + b"\xc0"]) == []
    place, field = found.column_names.index("context"), found.schema.field("context")
    assert agreed("decisions", found.set_column(place, field, pa.array(["{} "])), [payload]) == []
    largest, least = (1 << 64) - 1, -1  # the same bits
    for name, place, stands, forged_as in (("version", 4, least, largest), ("unit_hash", 8, largest, least)):
        found, (payload,) = stored("decisions", [msgspec.structs.replace(PLAINEST, **{name: stands})])
        fields = msgspec.msgpack.decode(payload)
        fields[place] = forged_as
        assert agreed("decisions", found, [payload]) == [0]
        assert agreed("decisions", found, [msgspec.msgpack.encode(fields)]) == []
        assert one_by_one("decisions", found, [msgspec.msgpack.encode(fields)]) == set()


PLAIN = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats() | st.text(max_size=40)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(PLAIN, PLAIN, PLAIN, PLAIN), min_size=1, max_size=5), st.dictionaries(st.text(), PLAIN))
def test_values_of_any_kind_agree_only_with_their_columns(rows: list[tuple[Any, ...]], context: dict[str, Any]) -> None:
    records: list[Decision] = [
        msgspec.structs.replace(decision(f"d{place}", features=row), context=context if place % 2 else {})
        for place, row in enumerate(rows)
    ]
    found, payloads = stored("decisions", records)
    assert set(agreed("decisions", found, payloads)) <= one_by_one("decisions", found, payloads)


@pytest.mark.parametrize("records", [SHADOWS, (Shadow(1.0, 2, ("a",) * 20, (0.5,) * 20),)])
def test_lists_that_are_too_long_or_too_short_are_seen(records: Sequence[Shadow]) -> None:
    found, payloads = stored("shadows", records)
    for change in (lambda values: values[:-1], lambda values: [*values, 0.5]):
        values = found["predictions"].to_pylist()
        values[0] = change(values[0])
        place, field = found.column_names.index("predictions"), found.schema.field("predictions")
        changed = found.set_column(place, field, pa.array(values, field.type))
        assert 0 not in agreed("shadows", changed, payloads)
