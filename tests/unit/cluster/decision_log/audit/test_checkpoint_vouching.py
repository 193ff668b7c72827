"""A checkpoint does not vouch for a log that was changed, cut or made anew before it."""

import logging
import os
from pathlib import Path

import msgspec
import pytest

from tests.worlds.log.audit_world import World
from tests.worlds.log.decision_log import Segment, decision
from tests.worlds.log.tampered import unsynced as unsynced
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.chain_heads import ChainHeads
from windvane.cluster.decision_log.audit.checkpoint import CheckpointState


def test_what_changed_is_named_once_and_policies_with_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(decision("d1"))
    found, _ = world.heads.news(world.checkpoints.standing)
    world.checkpoints.append(1.0, found, policies={"flight-delay": "abc"}, registry="def")
    assert world.heads.news(world.checkpoints.standing) == ([], [])
    world.write(decision("d2"))
    (newer,), _ = world.heads.news(world.checkpoints.standing)
    assert (newer.records, newer.root) == (2, None)
    world.writer.roll(now=True)
    world.seal()
    (sealed,), _ = world.heads.news(world.checkpoints.standing)
    assert sealed.root is not None
    assert sealed.head == newer.head


def test_what_was_tampered_with_is_not_vouched_for_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path)
    world.write(decision("d1"))
    world.write(decision("d2"))
    assert world.checkpoint() == []
    world.writer.roll(now=True)
    (path,) = (world.root / "live").glob("*.seg")
    path.write_bytes(path.read_bytes()[:-60])
    with caplog.at_level(logging.ERROR):
        (fault,) = world.checkpoint()
    assert fault.kind == "cut"
    assert world.checkpoint() == []
    assert world.checkpoints.standing.segments[fault.place.split("/")[0], path.stem].records == 2


def test_what_is_signed_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed before `durability: buffered` synced it, an honest crash looked like tampering for ever."""
    synced: dict[str, bytes] = {}

    def sync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced[path.name] = path.read_bytes()

    monkeypatch.setattr(disk, "sync", sync)
    world = World(tmp_path)
    world.write(decision("d1"))
    assert world.checkpoint() == []
    world.write(decision("d2"))
    (path,) = (world.root / "live").glob("*.seg")
    path.write_bytes(synced[path.name])
    world.heads = ChainHeads(world.root)
    assert world.checkpoint() == []
    report = world.verify()
    assert (report.records, report.faults) == (1, ())


def test_what_cannot_be_synced_is_not_signed_until_it_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A sync that failed has lost what it was to keep, and the next one says that all is well."""

    def refuse(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(".seg"):
            raise OSError(5, "Input/output error")

    world = World(tmp_path)
    world.write(decision("d1"))
    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", refuse)
        assert world.checkpoint() == []
    assert "cannot be synced" in caplog.text
    for _ in range(2):  # that it was opened is on record, or else it would seem to be put in later
        assert [vouched.records for vouched in world.checkpoints.standing.segments.values()] == [0]
        assert world.checkpoint() == []
    world.writer.roll(now=True)
    world.seal()
    assert world.checkpoint() == []
    assert [(each.records, each.root is None) for each in world.checkpoints.standing.segments.values()] == [(1, False)]
    assert world.verify().faults == ()


def test_a_group_that_its_writer_may_take_back_is_signed_when_it_is_followed_or_met_again(tmp_path: Path) -> None:
    """Its sync may just have failed: signed before the writer cut it off, an honest cut looked like tampering."""
    segment, heads, standing = Segment(tmp_path), ChainHeads(tmp_path), CheckpointState()

    def signed() -> list[int]:
        vouched, faults = heads.news(standing)
        assert faults == []
        standing.segments.update({(each.log, each.segment): each for each in vouched})
        return [each.records for each in vouched]

    segment.write(decision("d1"), durable=True)
    assert signed() == [0]
    segment.write(decision("d2"), durable=True)
    assert signed() == [1]
    assert signed() == [2]
    heads = ChainHeads(tmp_path)  # a new process goes by what the former one signed
    assert signed() == []
    segment.write(decision("d3"), durable=True)
    segment.close()
    assert signed() == [3]


def test_a_chain_that_breaks_is_not_vouched_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(decision("d1"))
    (path,) = (world.root / "live").glob("*.seg")
    from windvane.cluster.decision_log.write.segment import frame, link

    with path.open("ab") as file:
        file.write(frame(msgspec.msgpack.encode(decision("forged"))) + link(bytes(32)))
    (fault,) = world.checkpoint()
    assert fault.kind == "changed"
    assert world.checkpoints.standing.segments == {}


def test_a_segment_put_in_after_its_time_is_not_vouched_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.checkpoint(at=1e6) == []
    world.write(decision("forged"))
    (fault,) = world.checkpoint(at=1e6 + 1)
    assert fault.kind == "inserted"
    assert world.checkpoints.standing.segments == {}


def test_a_segment_made_anew_with_as_many_records_is_not_vouched_for(tmp_path: Path) -> None:
    world, forger = World(tmp_path), World(tmp_path / "forged")
    world.write(decision("d1"))
    assert world.checkpoint() == []
    world.writer.roll(now=True)
    forger.write(decision("d2"))
    forger.writer.roll(now=True)
    (path,), (forged,) = ((each.root / "live").glob("*.seg") for each in (world, forger))
    path.write_bytes(forged.read_bytes())
    world.seal()
    (fault,) = world.checkpoint()
    assert (fault.kind, "another head" in fault.detail) == ("changed", True)
    assert [each.kind for each in world.verify().faults] == ["changed"]


@pytest.mark.parametrize("sealed", [False, True])
def test_a_segment_made_anew_that_grew_since_is_not_vouched_for_by_a_new_process(tmp_path: Path, sealed: bool) -> None:
    world, forger = World(tmp_path), World(tmp_path / "forged")
    world.write(decision("d1"))
    assert world.checkpoint() == []
    world.writer.roll(now=True)
    forger.write(decision("d2"))
    forger.write(decision("d3"))
    forger.writer.roll(now=True)
    (path,), (forged,) = ((each.root / "live").glob("*.seg") for each in (world, forger))
    path.write_bytes(forged.read_bytes())
    if sealed:
        world.seal()
    found, faults = ChainHeads(world.root).news(world.checkpoints.standing)
    assert (found, [(fault.kind, "its first 1 records" in fault.detail) for fault in faults]) == (
        [],
        [("changed", True)],
    )
    seen, _ = ChainHeads(world.root).news(CheckpointState())
    world.checkpoints.append(4.0, seen)  # by somebody who has the key
    assert [fault.kind for fault in world.verify().faults] == ["changed"]
