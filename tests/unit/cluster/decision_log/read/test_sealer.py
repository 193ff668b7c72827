"""The sealer: every record of a free segment ends up in Parquet once, wherever it is killed."""

import fcntl
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from tests.worlds.log.decision_log import FEATURES, Segment, decision, outcome, shadow, skip_syncs, written
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Record
from windvane.cluster.decision_log.write.live import RESERVED_BYTES
from windvane.cluster.decision_log.write.segment import MAGIC, FeatureColumn, frame, live_names, live_path, sealed_path
from windvane.cluster.errors import Unavailable

RECORDS: tuple[Record, ...] = (decision("d1"), shadow(["d1"]), decision("d2"), outcome("d1"), outcome("d2", False))


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


class Killed(BaseException):
    """Not an Exception: nothing in the code under test may catch it and tidy up."""


def ids(root: Path) -> list[str]:
    return sorted(Query(root, FEATURES).sql("SELECT decision_id FROM decisions")["decision_id"].to_pylist())


def test_each_kind_of_record_gets_its_own_file_and_the_segment_goes(tmp_path: Path) -> None:
    name = written(tmp_path, *RECORDS)
    sealed = Sealer(tmp_path).seal()
    assert sorted(sealed) == sorted(sealed_path(tmp_path, kind, name) for kind in ("decisions", "shadows", "outcomes"))
    assert live_names(tmp_path) == []
    decisions = pq.read_table(sealed[0]).to_pylist()
    assert [row["position"] for row in decisions] == [0, 2]
    assert decisions[0]["x_temp"] == 20.5
    assert decisions[0]["x_hour of day"] == 7
    assert decisions[0]["x_weekend"] is True
    assert decisions[0]["x_carrier"] == "UA"
    assert decisions[0]["context"] == '{"k":1}'


def test_the_record_is_kept_as_it_was_written(tmp_path: Path) -> None:
    written(tmp_path, *RECORDS)
    payloads = [
        (row["position"], row["record"]) for path in Sealer(tmp_path).seal() for row in pq.read_table(path).to_pylist()
    ]
    assert sorted(payloads) == [(n, msgspec.msgpack.encode(record)) for n, record in enumerate(RECORDS)]


def test_a_segment_that_is_still_written_is_left_alone(tmp_path: Path) -> None:
    segment = Segment(tmp_path)
    segment.write(decision("d1"))
    assert Sealer(tmp_path).seal() == []
    assert live_names(tmp_path) == [segment.name]
    segment.close()
    assert len(Sealer(tmp_path).seal()) == 1


def test_sealing_nothing_is_no_error(tmp_path: Path) -> None:
    assert Sealer(tmp_path / "never written").seal() == []


def test_a_torn_tail_is_cut_and_kept_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    segment = Segment(tmp_path)
    segment.write(decision("d1"))
    half = frame(msgspec.msgpack.encode(decision("d2")))[:-3]
    segment.write_torn(half)
    segment.kill()
    with caplog.at_level(logging.WARNING):
        Sealer(tmp_path).seal()
    assert ids(tmp_path) == ["d1"]
    assert (tmp_path / "torn" / f"{segment.name}.bin").read_bytes() == half
    assert f"cut {len(half)} bytes" in caplog.text


@pytest.mark.parametrize("half", [b"", frame(b"half a record")[:-3]])
def test_room_that_a_killed_writer_had_reserved_is_not_kept_aside(tmp_path: Path, half: bytes) -> None:
    segment = Segment(tmp_path)
    segment.write(decision("d1"), durable=True)
    segment.write_torn(half)
    segment.kill()
    live = live_path(tmp_path, segment.name)
    assert live.stat().st_size > RESERVED_BYTES
    Sealer(tmp_path).seal()
    assert ids(tmp_path) == ["d1"]
    assert not live.exists()
    assert [path.read_bytes() for path in (tmp_path / "torn").glob("*")] == ([half] if half else [])


def test_a_segment_whose_header_is_damaged_is_kept_aside_whole(tmp_path: Path) -> None:
    name = written(tmp_path, decision("d1"))
    content = bytearray(live_path(tmp_path, name).read_bytes())
    content[20] ^= 1
    live_path(tmp_path, name).write_bytes(content)
    assert Sealer(tmp_path).seal() == []
    assert (tmp_path / "torn" / f"{name}.bin").read_bytes() == content
    assert live_names(tmp_path) == []


def test_a_segment_of_nothing_but_zeros_is_kept_aside_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = written(tmp_path, decision("d1"))
    live_path(tmp_path, name).write_bytes(bytes(500))
    with caplog.at_level(logging.WARNING):
        assert Sealer(tmp_path).seal() == []
    assert (tmp_path / "torn" / f"{name}.bin").read_bytes() == bytes(500)
    assert "cut 500 bytes" in caplog.text


def test_an_empty_segment_just_goes(tmp_path: Path) -> None:
    Segment(tmp_path).close()
    assert Sealer(tmp_path).seal() == []
    assert live_names(tmp_path) == []


def test_a_draft_whose_writer_died_is_swept_and_one_being_made_is_not(tmp_path: Path) -> None:
    written(tmp_path, decision("d1"))
    dead, alive = tmp_path / "live" / ".dead-1.new", tmp_path / "live" / ".alive-1.new"
    dead.touch()
    with alive.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        Sealer(tmp_path).seal()
        assert not dead.exists()
        assert alive.exists()


def test_a_draft_swept_before_its_lock_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock

    def sweep_first(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        Sealer(tmp_path).seal()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    written(tmp_path, decision("d1"))
    Sealer(tmp_path).seal()
    assert ids(tmp_path) == ["d1"]


@pytest.mark.parametrize(
    "content",
    [MAGIC[:-1] + b"\x09" + b"from the future", None],
    ids=["newer format", "unknown record"],
)
def test_what_this_windvane_cannot_read_stays_and_the_others_are_sealed(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = frame(msgspec.msgpack.encode(("verdict", "from the future")))
    segment = Segment(tmp_path, opened_at=1.0)
    segment.write_bytes(unknown)
    segment.close()
    if content is not None:
        live_path(tmp_path, segment.name).write_bytes(content)
    written(tmp_path, decision("d2"), opened_at=2.0)
    with caplog.at_level(logging.ERROR):
        assert len(Sealer(tmp_path).seal()) == 1
    assert live_names(tmp_path) == [segment.name]
    assert "stays unsealed" in caplog.text


def test_another_segment_of_the_same_name_is_never_overwritten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = written(tmp_path, decision("d1"), opened_at=1.0)
    Sealer(tmp_path).seal()
    second = written(tmp_path, decision("d2"), opened_at=2.0)
    live_path(tmp_path, second).rename(live_path(tmp_path, first))
    assert Sealer(tmp_path).seal() == []
    assert live_names(tmp_path) == [first]
    assert "holds another segment of that name" in caplog.text


def test_a_value_of_the_wrong_type_is_null_in_its_column_and_kept_in_the_record(tmp_path: Path) -> None:
    odd = decision("d1", features=("cold", 1 << 63, 3, True))
    written(tmp_path, odd, decision("d2", features=(1, 2, False)))
    (path,) = Sealer(tmp_path).seal()
    first, second = pq.read_table(path).to_pylist()
    assert [first[f"x_{f.name}"] for f in FEATURES] == [None, None, None, None]
    assert [second[f"x_{f.name}"] for f in FEATURES] == [1.0, 2, False, None]
    assert first["record"] == msgspec.msgpack.encode(odd)


def test_columns_are_those_the_writer_declared(tmp_path: Path) -> None:
    written(tmp_path, decision("d1", features=(1.5,)), columns=(FeatureColumn("retired", "number"),))
    (path,) = Sealer(tmp_path).seal()
    assert pq.read_table(path)["x_retired"].to_pylist() == [1.5]


def test_a_disk_that_refuses_says_so_and_loses_nothing(tmp_path: Path) -> None:
    name = written(tmp_path, decision("d1"))
    (tmp_path / "sealed").write_text("in the way")
    with pytest.raises(Unavailable, match="nothing is lost"):
        Sealer(tmp_path).seal()
    assert live_names(tmp_path) == [name]


def effects(monkeypatch: pytest.MonkeyPatch, before: Callable[[int], None]) -> list[str]:
    """Calls `before(n)` ahead of the n-th thing done to the disk, and lists what was done."""
    seen: list[str] = []
    for effect in ("write_whole", "sync_file", "sync_folder", "rename", "remove", "make_folder"):
        real = getattr(disk, effect)

        def counted(*args: Any, _real: Any = real, _effect: str = effect) -> Any:
            before(len(seen))
            seen.append(_effect)
            return _real(*args)

        monkeypatch.setattr(disk, effect, counted)
    return seen


def prepare(root: Path) -> None:
    written(root, *RECORDS, opened_at=1.0)
    torn = Segment(root, opened_at=2.0)
    torn.write(decision("d3"), outcome("d3"))
    torn.write_torn(b"torn")
    torn.kill()


def test_killed_before_any_effect_on_disk_it_is_simply_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [*RECORDS, decision("d3"), outcome("d3")]
    prepare(tmp_path / "whole")
    with monkeypatch.context() as patch:
        done = effects(patch, lambda _: None)
        Sealer(tmp_path / "whole").seal()
    assert done.count("rename") == 5
    assert done.count("remove") == 2
    for kill_at in range(len(done)):
        root = tmp_path / str(kill_at)
        prepare(root)
        follower = Tail(root)

        def kill(n: int, kill_at: int = kill_at) -> None:
            if n == kill_at:
                raise Killed

        with monkeypatch.context() as patch:
            effects(patch, kill)
            with pytest.raises(Killed):
                Sealer(root).seal()
        if done[kill_at] in ("rename", "remove"):  # what readers can see changes only there
            assert ids(root) == ["d1", "d2", "d3"], f"killed before effect {kill_at}, {done[kill_at]}"
        assert Tail(root).read() == expected
        followed = follower.read()
        Sealer(root).seal()
        assert live_names(root) == []
        assert Tail(root).read() == expected
        assert followed + follower.read() == expected
        assert sorted(path.name for path in (root / "sealed").rglob(".*")) == []
