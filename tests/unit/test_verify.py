"""Verifying: whatever is done to the log behind its back is found, and named by segment, place and decision."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.decision_log import verify as verify_module
from cluster.decision_log.chain import begin, extend
from cluster.decision_log.fault import Fault
from cluster.decision_log.segment import frame, link, read_header, scan, scan_linked, sealed_path
from tests.audit_world import KEY, LOG, World
from tests.decision_log import decision, outcome, skip_syncs

PER_SEGMENT = 5


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A live and a sealed log with checkpoints, to be copied and tampered with."""
    patch = pytest.MonkeyPatch()
    skip_syncs(patch)
    homes = {kind: tmp_path_factory.mktemp(kind) for kind in ("live", "sealed")}
    for kind, home in homes.items():
        world = World(home)
        world.fill()
        world.checkpoint()
        if kind == "sealed":
            world.seal()
            world.checkpoint()
    patch.undo()
    return homes


def copied(home: Path, to: Path) -> World:
    shutil.copytree(home, to, dirs_exist_ok=True)
    return World(to)


def names(world: World) -> list[str]:
    return verify_module._names(world.root)


def placed(faults: tuple[Fault, ...], name: str) -> list[Fault]:
    return [fault for fault in faults if fault.place == f"{LOG}/{name}"]


@pytest.mark.parametrize("kind", ["live", "sealed"])
def test_what_nobody_touched_holds(worlds: dict[str, Path], tmp_path: Path, kind: str) -> None:
    report = copied(worlds[kind], tmp_path).verify()
    assert report.faults == ()
    assert report.notices == ()
    assert (report.records, report.segments) == (3 * PER_SEGMENT, 3)
    assert report.checkpoints == (2 if kind == "sealed" else 1)


def test_half_of_it_sealed_and_written_on_it_holds(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.fill(2)
    assert world.checkpoint() == []
    world.seal()
    world.write(decision("later"))
    assert world.checkpoint() == []
    world.write(decision("latest"))
    report = world.verify()
    assert report.faults == ()
    assert report.records == 2 * PER_SEGMENT + 2


def test_over_several_workers_it_says_the_same(
    worlds: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_module, "ProcessPoolExecutor", lambda workers, **_: ThreadPoolExecutor(workers))
    world = copied(worlds["sealed"], tmp_path)
    name = names(world)[1]
    world.rewrite("decisions", name, remove_row)
    spread = verify_module.verify(world.logs, world.file, [KEY.public_key()], processes=2)
    assert spread.faults == world.verify().faults
    assert spread.records == 3 * PER_SEGMENT - 1


# -- live segments ----------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_flipped_byte_in_a_live_segment_is_found_where_it_is(worlds: dict[str, Path], draw: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        world = copied(worlds["live"], Path(folder))
        name = draw.draw(st.sampled_from(names(world)))
        content = bytearray(world.live(name).read_bytes())
        place = draw.draw(st.integers(0, len(content) - 1))
        content[place] ^= draw.draw(st.integers(1, 255))
        payloads, links, _ = scan_linked(before := world.live(name).read_bytes(), start(before))
        world.live(name).write_bytes(content)
        found = placed(world.verify().faults, name)
        assert found
        at = start(before)
        for position, payload in enumerate(payloads):
            if any(link.ends == at for link in links):
                at += 40
            if at + 8 <= place < at + 8 + len(payload):
                assert position in [fault.position for fault in found]
            at += 8 + len(payload)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_a_live_segment_cut_anywhere_is_found(worlds: dict[str, Path], draw: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        world = copied(worlds["live"], Path(folder))
        name = draw.draw(st.sampled_from(names(world)))
        content = world.live(name).read_bytes()
        world.live(name).write_bytes(content[: draw.draw(st.integers(0, len(content) - 1))])
        assert placed(world.verify().faults, name)


def test_the_last_group_cut_off_a_live_segment_is_named(worlds: dict[str, Path], tmp_path: Path) -> None:
    world = copied(worlds["live"], tmp_path)
    *_, name = names(world)
    content = world.live(name).read_bytes()
    _, links, _ = scan_linked(content, start(content))
    world.live(name).write_bytes(content[: links[-1].starts])
    (fault,) = world.verify().faults
    assert (fault.kind, fault.place, fault.position) == ("cut", f"{LOG}/{name}", 3)
    assert "records from here to 4" in fault.detail


@pytest.mark.parametrize("byte", [2, 6, 20])  # of its length, its checksum, its head
def test_a_flipped_link_in_the_middle_is_named_and_what_follows_is_looked_at(
    worlds: dict[str, Path], tmp_path: Path, byte: int
) -> None:
    world = copied(worlds["live"], tmp_path)
    name = names(world)[0]
    content = bytearray(world.live(name).read_bytes())
    _, links, _ = scan_linked(bytes(content), start(bytes(content)))
    content[links[0].ends + byte] ^= 1
    world.live(name).write_bytes(content)
    report = world.verify()
    assert [(fault.kind, fault.position) for fault in report.faults] == [("damaged", 3)]
    assert report.records == 3 * PER_SEGMENT


def test_what_was_cut_before_any_checkpoint_is_told_by_the_next_segment(tmp_path: Path) -> None:
    world = World(tmp_path)
    first, *_ = world.fill(2)
    content = world.live(first).read_bytes()
    _, links, _ = scan_linked(content, start(content))
    world.live(first).write_bytes(content[: links[-1].starts])
    assert [(fault.kind, fault.place) for fault in world.verify().faults] == [("cut", f"{LOG}/{first}")]


def start(content: bytes) -> int:
    return (read_header(content, "s") or (None, 0))[1]


def regrouped(content: bytes, groups: list[bytes]) -> bytes:
    """The segment with these groups and a chain that holds: who can write the file can do that."""
    first = start(content)
    head, written = begin(content[:first]), content[:first]
    for frames in groups:
        head = extend(head, frames)
        written += frames + link(head)
    return written


def drop(groups: list[bytes]) -> list[bytes]:
    return groups[1:]


def swap(groups: list[bytes]) -> list[bytes]:
    return groups[::-1]


def insert(groups: list[bytes]) -> list[bytes]:
    return [groups[0], frame(msgspec.msgpack.encode(decision("forged"))), groups[1]]


def change(groups: list[bytes]) -> list[bytes]:
    payloads = [payload.replace(b"champion", b"attacker") for payload in scan(groups[0])[0]]
    return [b"".join(map(frame, payloads)), groups[1]]


@pytest.mark.parametrize("rechained", [False, True])
@pytest.mark.parametrize("tamper", [drop, swap, insert, change])
def test_groups_of_a_live_segment_cannot_be_exchanged(
    worlds: dict[str, Path], tmp_path: Path, tamper: Callable[[list[bytes]], list[bytes]], rechained: bool
) -> None:
    world = copied(worlds["live"], tmp_path)
    name = names(world)[1]
    content = world.live(name).read_bytes()
    _, links, _ = scan_linked(content, start(content))
    groups = [content[link.starts : link.ends] for link in links]
    if rechained:
        world.live(name).write_bytes(regrouped(content, tamper(groups)))
        found = placed(world.verify().faults, name)
        assert found[0].kind in ("changed", "cut")
    else:
        heads = {group: link(found.head) for group, found in zip(groups, links, strict=True)}
        tampered = tamper(groups)
        whole = b"".join(group + heads.get(group, link(links[0].head)) for group in tampered)
        world.live(name).write_bytes(content[: start(content)] + whole)
        found = placed(world.verify().faults, name)
        assert found[0].kind == "changed"
        assert found[0].position in (0, 3)
    assert found


def test_a_live_segment_that_was_made_anew_before_sealing_is_not_sealed(
    worlds: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = copied(worlds["live"], tmp_path)
    name = names(world)[0]
    content = world.live(name).read_bytes()
    payloads, links, _ = scan_linked(content, start(content))
    forged = b"".join(frame(payload.replace(b"champion", b"attacker")) for payload in payloads)
    world.live(name).write_bytes(content[: start(content)] + forged + link(links[-1].head))
    world.seal()
    assert world.live(name).exists()
    assert "its chain does not hold" in caplog.text


# -- sealed segments --------------------------------------------------------------------------------------------------

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
    from cluster.decision_log import merkle

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


def remove_row(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rows[0], rows[2]]


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
    late = World(tmp_path)
    late.writer._header = msgspec.structs.replace(late.writer._header, writer="replica-9")
    late.write(decision("forged"))
    late.writer.roll(now=True)
    (fault,) = world.verify().faults
    assert fault.kind == "inserted"
    assert "replica-9" in fault.place


def test_what_retention_deleted_is_no_fault(worlds: dict[str, Path], tmp_path: Path) -> None:
    world = copied(worlds["sealed"], tmp_path)
    name = names(world)[0]
    for path in world.root.rglob(f"{name}.*"):
        path.unlink()
    world.checkpoints.append(9.0, retired=[(LOG, name)])
    report = world.verify()
    assert report.faults == ()
    assert report.records == 2 * PER_SEGMENT


def test_a_torn_tail_is_a_notice_and_damage_before_whole_groups_a_fault(tmp_path: Path) -> None:
    world = World(tmp_path)
    first, second = world.fill(2)
    content = world.live(second).read_bytes()
    world.live(second).write_bytes(content[:-3])
    report = world.verify()
    assert report.faults == ()
    assert len(report.notices) == 1
    world.seal()  # the group that no link covers is set aside
    assert world.verify().faults == ()
    assert not world.live(first).exists()
    third = World(tmp_path)
    third.write(decision("e1"))
    third.write(decision("e2"))
    third.writer.roll(now=True)
    name = next(name for name in names(third) if third.live(name).exists())
    content = bytearray(third.live(name).read_bytes())
    content[start(bytes(content)) + 20] ^= 1
    third.live(name).write_bytes(content)
    world.seal()
    assert [(fault.kind, fault.place) for fault in world.verify().faults] == [("damaged", f"{LOG}/{name}")]


def test_only_the_segments_of_that_time_are_looked_at(worlds: dict[str, Path], tmp_path: Path) -> None:
    world = copied(worlds["sealed"], tmp_path)
    report = world.verify(since=2.5)
    assert report.faults == ()
    assert report.segments == 2
    assert world.verify(until=1.5).segments == 1
    assert world.verify(until=1.5).faults == ()
