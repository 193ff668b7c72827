"""Verifying: whatever is done to the log behind its back is found, and named by segment, place and decision."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.log.audit_world import KEY, LOG, World
from tests.worlds.log.decision_log import decision
from tests.worlds.log.tampered import copied, names, placed, remove_row
from tests.worlds.log.tampered import unsynced as unsynced
from tests.worlds.log.tampered import worlds as worlds
from windvane.cluster.decision_log.audit import verify as verify_module
from windvane.cluster.decision_log.write.chain import begin, extend
from windvane.cluster.decision_log.write.segment import frame, link, read_header, scan, scan_linked

PER_SEGMENT = 5


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
    groups = [content[each.starts : each.ends] for each in links]
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
    damaged = bytearray(third.live(name).read_bytes())
    damaged[start(bytes(damaged)) + 20] ^= 1
    third.live(name).write_bytes(damaged)
    world.seal()
    assert [(fault.kind, fault.place) for fault in world.verify().faults] == [("damaged", f"{LOG}/{name}")]


def test_only_the_segments_of_that_time_are_looked_at(worlds: dict[str, Path], tmp_path: Path) -> None:
    world = copied(worlds["sealed"], tmp_path)
    report = world.verify(since=2.5)
    assert report.faults == ()
    assert report.segments == 2
    assert world.verify(until=1.5).segments == 1
    assert world.verify(until=1.5).faults == ()
