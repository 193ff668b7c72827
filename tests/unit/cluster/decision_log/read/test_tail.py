"""The tail: every record once, in order, wherever its segment is by then."""

import logging
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.log.decision_log import Segment, decision, outcome, shadow, skip_syncs, written
from windvane.cluster.decision_log.read import tail as tail_module
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.decision_log.read.tail import BRIEF, Tail
from windvane.cluster.decision_log.record import Brief, Decision, Record
from windvane.cluster.decision_log.write.segment import LINK_BYTES, MAGIC, frame, live_path


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


def names(records: list[Record]) -> list[str]:
    return [record.decision_id for record in records if isinstance(record, Decision)]


def test_nothing_written_is_nothing_read(tmp_path: Path) -> None:
    assert Tail(tmp_path / "never written").read() == []


def test_records_come_once_as_they_are_written(tmp_path: Path) -> None:
    segment, tail = Segment(tmp_path), Tail(tmp_path)
    segment.write(decision("d1"), shadow(["d1"]))
    assert tail.read() == [decision("d1"), shadow(["d1"])]
    assert tail.read() == []
    segment.write(outcome("d1"))
    assert tail.read() == [outcome("d1")]
    segment.close()


def test_in_brief_every_record_comes_with_what_joining_needs(tmp_path: Path) -> None:
    segment, tail = Segment(tmp_path), Tail(tmp_path, None, BRIEF)
    segment.write(decision("d1"), shadow(["d1"]), outcome("d1"))
    found, *others = tail.read()
    assert isinstance(found, Brief)
    assert (found.decision_id, found.at, found.event_time, found.version, found.prediction) == ("d1", 10.0, 9.0, 1, 0.7)
    assert others == [shadow(["d1"]), outcome("d1")]
    segment.close()


def test_half_a_record_is_waited_for(tmp_path: Path) -> None:
    segment, tail = Segment(tmp_path), Tail(tmp_path)
    content = frame(msgspec.msgpack.encode(decision("d1")))
    segment.write_torn(content[:30])
    assert tail.read() == []
    segment.write_torn(content[30:])
    assert names(tail.read()) == ["d1"]
    segment.close()


def test_the_rest_of_a_segment_sealed_in_between_is_read(tmp_path: Path) -> None:
    segment, tail = Segment(tmp_path), Tail(tmp_path)
    segment.write(decision("d1"))
    assert names(tail.read()) == ["d1"]
    segment.write(decision("d2"))
    segment.close()
    Sealer(tmp_path).seal()
    assert names(tail.read()) == ["d2"]
    assert tail.read() == []


def test_a_segment_that_came_and_went_between_two_reads_is_read(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    assert tail.read() == []
    for n in range(3):
        written(tmp_path, decision(f"d{n}"), outcome(f"d{n}"), opened_at=float(n))
        Sealer(tmp_path).seal()
    assert tail.read() == [r for n in range(3) for r in (decision(f"d{n}"), outcome(f"d{n}"))]
    assert tail.read() == []


def test_sealed_folders_are_not_listed_again_when_nothing_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, decision("d1"))
    Sealer(tmp_path).seal()
    folder = tmp_path / "sealed" / "decisions"
    os.utime(folder, (1.0, 1.0))
    tail = Tail(tmp_path)
    assert names(tail.read()) == ["d1"]
    written(tmp_path, decision("d2"), opened_at=2.0)
    Sealer(tmp_path).seal()
    os.utime(folder, (1.0, 1.0))  # as if nothing had happened since
    assert tail.read() == []
    os.utime(folder, (2.0, 2.0))
    assert names(tail.read()) == ["d2"]


def test_a_change_in_the_same_tick_of_the_folders_clock_is_not_missed(tmp_path: Path) -> None:
    written(tmp_path, decision("d1"))
    Sealer(tmp_path).seal()
    folder = tmp_path / "sealed" / "decisions"
    changed = folder.stat().st_mtime_ns
    tail = Tail(tmp_path)
    tail.read()
    written(tmp_path, decision("d2"), opened_at=2.0)
    Sealer(tmp_path).seal()
    os.utime(folder, ns=(changed, changed))
    assert names(tail.read()) == ["d2"]


def test_a_limit_is_kept_and_nothing_is_lost_by_it(tmp_path: Path) -> None:
    written(tmp_path, *(decision(f"s{n}") for n in range(5)), opened_at=1.0)
    Sealer(tmp_path).seal()
    written(tmp_path, *(decision(f"l{n}") for n in range(5)), opened_at=2.0)
    tail = Tail(tmp_path)
    reads = [names(tail.read(limit=3)) for _ in range(5)]
    assert [len(read) for read in reads] == [3, 3, 3, 1, 0]
    assert [name for read in reads for name in read] == [f"{s}{n}" for s in "sl" for n in range(5)]


def test_a_limit_reached_in_a_sealed_segment_does_not_let_its_rest_go(tmp_path: Path) -> None:
    written(tmp_path, *(decision(f"d{n}") for n in range(5)))
    tail = Tail(tmp_path)
    assert names(tail.read(limit=2)) == ["d0", "d1"]
    Sealer(tmp_path).seal()
    assert names(tail.read(limit=2)) == ["d2", "d3"]
    assert names(tail.read(limit=2)) == ["d4"]
    assert tail.read() == []


def test_older_segments_come_first_whoever_wrote_them(tmp_path: Path) -> None:
    for writer, opened_at in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        segment = Segment(tmp_path, opened_at, writer)
        segment.write(decision(writer))
        segment.close()
    assert names(Tail(tmp_path).read()) == ["b", "c", "a"]
    Sealer(tmp_path).seal()
    assert names(Tail(tmp_path).read()) == ["b", "c", "a"]


def test_since_leaves_out_what_is_older_live_and_sealed(tmp_path: Path) -> None:
    written(tmp_path, decision("s1", at=1.0), decision("s2", at=5.0), opened_at=1.0)
    Sealer(tmp_path).seal()
    written(tmp_path, decision("l1", at=4.9), decision("l2", at=6.0), opened_at=2.0)
    assert names(Tail(tmp_path, since=5.0).read()) == ["s2", "l2"]


def test_a_record_larger_than_a_chunk_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 256)
    big = outcome("d1", True, 11.0, **{f"kpi_{n}": float(n) for n in range(200)})
    written(tmp_path, big, decision("d2"))
    assert Tail(tmp_path).read() == [big, decision("d2")]


def test_a_record_larger_than_a_read_behind_a_link_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 256)
    large = decision("d2", features=("x" * 2000, 7, True, "UA"))
    segment = Segment(tmp_path)
    segment.write(decision("d1"))
    segment.write(large)
    segment.close()
    tail = Tail(tmp_path)
    assert names(tail.read(limit=1)) == ["d1"]
    Sealer(tmp_path).seal()  # what is open here is read to its end
    assert tail.read() == [large]
    tail.close()


def test_what_comes_after_damage_is_not_read_as_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 256)
    name = written(tmp_path, decision("d1"), decision("d2"), decision("d3"))
    path = live_path(tmp_path, name)
    content = bytearray(path.read_bytes())
    content[-LINK_BYTES - len(frame(msgspec.msgpack.encode(decision("d2")))) - 1] ^= 1
    path.write_bytes(content)
    tail = Tail(tmp_path)
    assert names(tail.read()) == ["d1"]
    assert tail.read() == []
    Sealer(tmp_path).seal()
    assert tail.read() == []


def test_a_record_of_an_unknown_kind_does_not_stop_the_tail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    segment = Segment(tmp_path)
    segment.write_bytes(frame(msgspec.msgpack.encode(("verdict", "from the future"))))
    segment.write(decision("d1"))
    segment.close()
    with caplog.at_level(logging.ERROR):
        assert names(Tail(tmp_path).read()) == ["d1"]
    assert "passed over" in caplog.text


def test_a_segment_of_a_newer_format_does_not_stop_the_tail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    newer = written(tmp_path, decision("d1"), opened_at=1.0)
    live_path(tmp_path, newer).write_bytes(MAGIC[:-1] + b"\x09 from the future")
    written(tmp_path, decision("d2"), opened_at=2.0)
    with caplog.at_level(logging.ERROR):
        assert names(Tail(tmp_path).read()) == ["d2"]
    assert "has format 9" in caplog.text


def test_a_segment_partly_sealed_is_read_from_where_it_is_whole(tmp_path: Path) -> None:
    """A sealer that died between its files leaves the segment live; the sealed part alone would lack the outcome."""
    name = written(tmp_path, decision("d1"), outcome("d1"))
    content = live_path(tmp_path, name).read_bytes()
    Sealer(tmp_path).seal()
    (tmp_path / "sealed" / "outcomes" / f"{name}.parquet").unlink()
    live_path(tmp_path, name).write_bytes(content)
    assert Tail(tmp_path).read() == [decision("d1"), outcome("d1")]


def test_a_segment_that_appears_half_sealed_during_a_read_is_left_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = written(tmp_path, decision("d1"), outcome("d1"))
    content = live_path(tmp_path, name).read_bytes()
    Sealer(tmp_path).seal()
    (tmp_path / "sealed" / "outcomes" / f"{name}.parquet").unlink()
    live_path(tmp_path, name).write_bytes(content)
    tail = Tail(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(tail_module, "live_names", lambda _: [])  # listed just before it appeared
        assert tail.read() == []
    assert tail.read() == [decision("d1"), outcome("d1")]


def test_a_segment_written_and_sealed_while_it_is_read_keeps_its_last_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment, tail = Segment(tmp_path), Tail(tmp_path)
    segment.write(decision("d1"))
    assert names(tail.read()) == ["d1"]
    real = os.pread

    def overtaken(descriptor: int, size: int, offset: int) -> bytes:
        content = real(descriptor, size, offset)
        monkeypatch.setattr(os, "pread", real)
        segment.write(decision("d2"))
        segment.close()
        Sealer(tmp_path).seal()
        return content

    monkeypatch.setattr(os, "pread", overtaken)
    assert names(tail.read() + tail.read()) == ["d2"]


def test_closing_lets_go_of_every_segment(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    segment, tail = Segment(tmp_path), Tail(tmp_path)
    segment.write(decision("d1"))
    tail.read()
    tail.close()
    segment.close()
    assert len(os.listdir("/proc/self/fd")) == before


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["write", "roll", "seal", "read", "read few"]), max_size=14))
def test_in_any_order_of_events_every_record_comes_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, events: list[str]
) -> None:
    root = tmp_path_factory.mktemp("log")
    tail, segment = Tail(root), Segment(root, 1.0)
    wrote: list[str] = []
    read: list[str] = []
    for step, event in enumerate([*events, "read", "read"]):
        if event == "write":
            wrote += [f"{step}a", f"{step}b"]
            segment.write(decision(f"{step}a"), decision(f"{step}b"))
        elif event == "roll":
            segment.close()
            segment = Segment(root, 2.0 + step)
        elif event == "seal":
            Sealer(root).seal()
        else:
            read += names(tail.read(limit=1 if event == "read few" else 100))
    assert sorted(read) == sorted(wrote)
    assert len(read) == len(set(read))
    tail.close()
    segment.close()
