"""The live segment's reserved room: nobody's record, gone once the segment is closed, done without where refused."""

import errno
from pathlib import Path

import pytest

from tests.worlds.log.decision_log import Segment, decision, skip_syncs
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.chain_heads import ChainHeads
from windvane.cluster.decision_log.audit.checkpoint import CheckpointState
from windvane.cluster.decision_log.audit.live_inspection import inspect_live
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Record
from windvane.cluster.decision_log.write import live
from windvane.cluster.decision_log.write.live import RESERVED_BYTES
from windvane.cluster.decision_log.write.segment import live_path

NAMES = [f"d{place}" for place in range(40)]


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


def size(root: Path, segment: Segment) -> int:
    return live_path(root, segment.name).stat().st_size


def ids(records: list[Record]) -> list[str]:
    return [record.decision_id for record in records if hasattr(record, "decision_id")]


def test_what_is_synced_goes_where_room_was_reserved(tmp_path: Path) -> None:
    segment = Segment(tmp_path)
    segment.write(decision("d1"), durable=True)
    reserved = size(tmp_path, segment)
    assert reserved > RESERVED_BYTES
    segment.write(decision("d2"), durable=True)
    assert size(tmp_path, segment) == reserved
    segment.close()


def test_what_is_not_synced_needs_no_room(tmp_path: Path) -> None:
    segment = Segment(tmp_path)
    segment.write(decision("d1"))
    assert size(tmp_path, segment) < RESERVED_BYTES
    segment.close()


def test_a_closed_segment_ends_with_its_last_group(tmp_path: Path) -> None:
    unsynced, synced = Segment(tmp_path / "unsynced"), Segment(tmp_path / "synced")
    unsynced.write(decision("d1"))
    synced.write(decision("d1"), durable=True)
    for segment in (unsynced, synced):
        segment.close()
    assert live_path(tmp_path / "synced", synced.name).read_bytes() == (
        live_path(tmp_path / "unsynced", unsynced.name).read_bytes()
    )


def test_a_group_larger_than_what_is_reserved_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RESERVED_BYTES", 10)
    segment, tail = Segment(tmp_path), Tail(tmp_path)
    for name in NAMES:
        segment.write(decision(name), decision(f"{name}-too"), durable=True)
        assert ids(tail.read()) == [name, f"{name}-too"]
    segment.close()


def test_where_no_room_can_be_reserved_the_segment_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(_descriptor: int, start: int, _count: int) -> None:
        asked.append(start)
        raise OSError(errno.EOPNOTSUPP, "not on this disk")

    monkeypatch.setattr(disk, "reserve", refuse)
    segment, tail = Segment(tmp_path), Tail(tmp_path)
    for name in NAMES:
        segment.write(decision(name), durable=True)
    assert len(asked) == 1
    assert size(tmp_path, segment) < RESERVED_BYTES
    assert ids(tail.read()) == NAMES
    segment.close()


def test_reserved_room_is_no_damage_no_torn_group_and_no_head(tmp_path: Path) -> None:
    segment, heads = Segment(tmp_path), ChainHeads(tmp_path)
    standing = CheckpointState()
    for count, name in enumerate(NAMES):
        segment.write(decision(name), durable=True)
        vouched, faults = heads.news(standing)
        assert faults == []
        assert [each.records for each in vouched] == [count]
    segment.kill()
    found = inspect_live("log", segment.name, live_path(tmp_path, segment.name).read_bytes())
    assert (found.faults, found.unlinked_bytes, found.records) == ([], 0, len(NAMES))


def test_half_a_group_in_reserved_room_is_told_by_its_length(tmp_path: Path) -> None:
    segment = Segment(tmp_path)
    segment.write(decision("d1"), durable=True)
    segment.write_torn(b"half a group")
    segment.kill()
    found = inspect_live("log", segment.name, live_path(tmp_path, segment.name).read_bytes())
    assert (found.faults, found.unlinked_bytes) == ([], len(b"half a group"))
