"""Retention: whole segments go once all of their records are too old, and what was signed about them stays."""

import itertools
from pathlib import Path

import pytest

from tests.worlds.log.audit_world import LOG, World
from tests.worlds.log.decision_log import FEATURES, decision, outcome, skip_syncs
from windvane.cluster.decision_log.audit.auditor import Auditor
from windvane.cluster.decision_log.audit.retention import delete, expired
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.write.segment import sealed_path


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


def filled(world: World) -> list[str]:
    """Three segments, sealed, whose newest records are of 10, 20 (an outcome) and 30; and a live one of 1."""
    for at in (10.0, 20.0, 30.0):
        world.write(decision(f"d{at:g}", at=at - 5.0), outcome(f"d{at:g}", at=at))
        world.writer.roll(now=True)
    world.seal()
    world.write(decision("live", at=1.0))
    return sorted(path.stem for path in (world.root / "sealed" / "decisions").glob("*.parquet"))


@pytest.mark.parametrize(("before", "count"), [(10.0, 0), (10.1, 1), (29.9, 2), (1e9, 3)])
def test_a_segment_is_too_old_when_its_newest_record_is(tmp_path: Path, before: float, count: int) -> None:
    world = World(tmp_path)
    names = filled(world)
    assert expired(world.root, before) == names[:count]


def test_a_file_that_cannot_be_read_is_never_too_old(tmp_path: Path) -> None:
    world = World(tmp_path)
    first, *rest = filled(world)
    sealed_path(world.root, "outcomes", first).write_bytes(b"rubbish")
    assert expired(world.root, 1e9) == rest


@pytest.mark.parametrize("killed_after", range(3))
def test_what_was_signed_away_may_be_half_deleted_and_the_log_still_holds(tmp_path: Path, killed_after: int) -> None:
    world = World(tmp_path)
    first, *_ = filled(world)
    auditor = Auditor(world.logs, world.checkpoints)
    auditor.tick(3.0)
    auditor.retire(4.0, [(LOG, first)])
    for path in itertools.islice(sorted(world.root.rglob(f"{first}.parquet")), killed_after):
        path.unlink()
    assert world.verify().faults == ()
    assert expired(world.root, 15.0) == ([first] if killed_after < 2 else [])
    delete(world.root, [first])
    assert list(world.root.rglob(f"{first}*")) == []
    assert world.verify().faults == ()
    counted = Query(world.root, FEATURES).sql("SELECT count(*) AS n FROM decisions")
    assert counted.to_pylist() == [{"n": 3}]
