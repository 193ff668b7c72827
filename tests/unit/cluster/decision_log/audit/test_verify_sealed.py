"""Verification of sealed segments: whatever is done to a cell, a row or a file is found and named."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.log.audit_world import LOG, World
from tests.worlds.log.decision_log import decision, outcome
from tests.worlds.log.tampered import copied, names, placed, remove_row
from tests.worlds.log.tampered import unsynced as unsynced
from tests.worlds.log.tampered import worlds as worlds
from windvane.cluster.decision_log.write.segment import sealed_path

COLUMNS = (
    "decision_id",
    "recorded_at",
    "version",
    "subject",
    "unit_hash",
    "prediction",
    "action",
    "reasons",
    "context",
)


OTHER: dict[type, Any] = {str: "other", float: -0.0, int: 77, list: ["other"], bool: False}


@pytest.mark.parametrize("column", [*COLUMNS, "x_temp", "x_hour of day", "x_weekend", "x_carrier", "request_id"])
def test_any_cell_of_a_sealed_decision_is_held_against_its_record(
    worlds: dict[str, Path], tmp_path: Path, column: str
) -> None:
    world = copied(worlds["sealed"], tmp_path)
    name = names(world)[1]

    def tamper(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        value = rows[1][column]
        rows[1][column] = "other" if value is None else OTHER[type(value)]
        return rows

    world.rewrite("decisions", name, tamper)
    (fault,) = world.verify().faults
    assert fault.kind == "changed"
    assert (fault.place, fault.position, fault.decision_id) == (f"{LOG}/{name}", 1, "d1b")
    assert column in fault.detail


@pytest.mark.parametrize("column", ["record", "leaf", "link", "label", "kpis"])
def test_what_proves_a_row_cannot_be_changed_either(worlds: dict[str, Path], tmp_path: Path, column: str) -> None:
    world = copied(worlds["sealed"], tmp_path)
    name = names(world)[1]
    forged = msgspec.msgpack.encode(outcome("d1a", False))
    others = {"record": forged, "leaf": 1, "link": bytes(32), "label": False, "kpis": [("cost", 1.0)]}
    world.rewrite("outcomes", name, lambda rows: [row | {column: others[column]} for row in rows])
    found = placed(world.verify().faults, name)
    assert found[0].kind == "changed"
    assert found[0].position in (3, 4)  # a link proves its group


def same_record_everywhere(row: dict[str, Any]) -> dict[str, Any]:
    """A forger who changes the cell, the record and the leaf."""
    from windvane.cluster.decision_log.read import merkle

    payload = row["record"].replace(b"champion", b"attacker")
    return row | {"arm": "attacker", "record": payload, "leaf": int.from_bytes(merkle.leaf(payload)[:8], "big")}


def test_a_record_forged_with_its_cells_and_leaf_breaks_the_chain(worlds: dict[str, Path], tmp_path: Path) -> None:
    world = copied(worlds["sealed"], tmp_path)
    name = names(world)[1]
    world.rewrite("decisions", name, lambda rows: [same_record_everywhere(rows[0]), *rows[1:]])
    (fault,) = world.verify().faults
    assert (fault.place, fault.position, fault.decision_id) == (f"{LOG}/{name}", 0, "d1a")
    assert "d1b" in fault.detail  # one of the group: which, only the leaf could have said


def test_a_segment_forged_from_end_to_end_is_not_what_was_signed(worlds: dict[str, Path], tmp_path: Path) -> None:
    world = copied(worlds["sealed"], tmp_path / "real")
    forger = World(tmp_path / "forged")
    forger.write(decision("d0a"), decision("d0b"))
    forger.writer.roll(now=True)
    forger.seal()
    name = names(world)[0]
    assert names(forger) == [name]
    for dataset in ("shadows", "outcomes"):
        sealed_path(world.root, dataset, name).unlink()
    shutil.copy(sealed_path(forger.root, "decisions", name), sealed_path(world.root, "decisions", name))
    found = world.verify().faults
    assert (found[0].kind, found[0].place) == ("changed", f"{LOG}/{name}")
    assert "its 2 records are not the 5" in found[0].detail


def double_row(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rows[0], rows[1], rows[1], rows[2]]


def add_row(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*rows, rows[2] | {"position": 5}]


def exchange_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rows[1], rows[0], rows[2]]


def exchange_places(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rows[1] | {"position": 0}, rows[0] | {"position": 1}, rows[2]]


def renumber(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rows[1] | {"position": 0}, rows[2] | {"position": 1}]


@pytest.mark.parametrize(
    ("tamper", "kind", "position"),
    [
        (remove_row, "missing", 1),
        (double_row, "reordered", 1),
        (add_row, "inserted", 5),
        (exchange_rows, "reordered", 0),
        (exchange_places, "changed", 0),
        (renumber, "missing", 3),
    ],
)
def test_rows_of_a_sealed_segment_cannot_be_moved(
    worlds: dict[str, Path], tmp_path: Path, tamper: Callable[..., Any], kind: str, position: int
) -> None:
    world = copied(worlds["sealed"], tmp_path)
    name = names(world)[2]
    world.rewrite("decisions", name, tamper)
    found = placed(world.verify().faults, name)
    assert (kind, position) in [(fault.kind, fault.position) for fault in found]


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_whatever_is_done_to_sealed_rows_is_found(worlds: dict[str, Path], draw: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        world = copied(worlds["sealed"], Path(folder))
        name = draw.draw(st.sampled_from(names(world)))
        dataset = draw.draw(st.sampled_from(["decisions", "shadows", "outcomes"]))
        rows = pq.read_table(sealed_path(world.root, dataset, name)).to_pylist()
        place = draw.draw(st.integers(0, len(rows) - 1))
        how = draw.draw(st.sampled_from(["drop", "repeat", "take another's", "from elsewhere", "exchange"]))
        other = pq.read_table(sealed_path(world.root, dataset, names(world)[names(world).index(name) - 1])).to_pylist()
        changed = list(rows)
        if how == "drop":
            del changed[place]
        elif how == "repeat":
            changed.insert(place, rows[place])
        elif how == "take another's":
            column = draw.draw(st.sampled_from(sorted(rows[0])))
            changed[place] = rows[place] | {column: other[0][column]}
        elif how == "from elsewhere":
            changed[place] = other[place] | {"position": rows[place]["position"]}
        else:
            changed[0], changed[place] = rows[place], rows[0]
        world.rewrite(dataset, name, lambda _: changed)
        assert bool(placed(world.verify().faults, name)) == (changed != rows)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_a_sealed_file_with_any_byte_flipped_still_says_the_same_or_is_found(
    worlds: dict[str, Path], draw: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        world = copied(worlds["sealed"], Path(folder))
        name = draw.draw(st.sampled_from(names(world)))
        path = sealed_path(world.root, "decisions", name)
        before = pq.read_table(path).to_pylist()
        content = bytearray(path.read_bytes())
        content[draw.draw(st.integers(0, len(content) - 1))] ^= draw.draw(st.integers(1, 255))
        path.write_bytes(content)
        found = placed(world.verify().faults, name)
        if not found:  # statistics, the name of who wrote it, and the like
            assert pq.read_table(path).to_pylist() == before


def test_a_column_that_is_said_to_be_of_another_type_is_named(worlds: dict[str, Path], tmp_path: Path) -> None:
    """One flipped bit of a file's footer makes text bytes: found by hypothesis, and said to be nothing."""
    world = copied(worlds["sealed"], tmp_path)
    name = names(world)[1]
    path = sealed_path(world.root, "decisions", name)
    sealed = pq.read_table(path)
    place = sealed.schema.get_field_index("action")
    pq.write_table(sealed.set_column(place, "action", sealed["action"].cast("binary")), path)
    assert [fault.detail for fault in placed(world.verify().faults, name)] == [
        "action of decisions is not of the type that it was sealed in"
    ]


@pytest.mark.parametrize("kind", ["live", "sealed"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_segment_that_is_gone_is_named(worlds: dict[str, Path], tmp_path: Path, kind: str, which: int) -> None:
    world = copied(worlds[kind], tmp_path)
    name = names(world)[which]
    for path in world.root.rglob(f"{name}.*"):
        path.unlink()
    found = world.verify().faults
    assert {fault.kind for fault in found} == {"missing"}
    assert {fault.place for fault in found} == {f"{LOG}/{name}"}


def test_a_whole_log_that_is_gone_is_named(worlds: dict[str, Path], tmp_path: Path) -> None:
    world = copied(worlds["sealed"], tmp_path)
    shutil.rmtree(world.root)
    assert [fault.kind for fault in world.verify().faults] == ["missing"] * 3


def test_a_file_of_one_kind_that_is_gone_leaves_gaps(worlds: dict[str, Path], tmp_path: Path) -> None:
    world = copied(worlds["sealed"], tmp_path)
    name = names(world)[0]
    sealed_path(world.root, "shadows", name).unlink()
    found = placed(world.verify().faults, name)
    assert ("missing", 2) in [(fault.kind, fault.position) for fault in found]


def test_a_segment_put_in_afterwards_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.fill(1)
    world.checkpoint(at=1000.0)
    late = World(tmp_path, writer="replica-9")
    late.write(decision("forged"))
    late.writer.roll(now=True)
    (fault,) = world.verify().faults
    assert fault.kind == "inserted"
    assert "replica-9" in fault.place
