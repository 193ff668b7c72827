"""The auditor: one checkpoint over all logs, and only when there is something to say."""

import shutil
from pathlib import Path

import pytest

from tests.worlds.log.audit_world import LOG, World
from tests.worlds.log.decision_log import decision, skip_syncs
from windvane.cluster.decision_log.audit.auditor import Auditor


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


def test_it_signs_what_is_new_in_every_log_and_nothing_twice(tmp_path: Path) -> None:
    world = World(tmp_path)
    auditor = Auditor(world.logs, world.checkpoints)
    world.fill(1)
    shutil.copytree(world.root, world.logs / "another")
    first, faults = auditor.tick(3.0, policies={"p": "1"}, registry="r")
    assert first is not None
    assert faults == []
    assert {found.log for found in first.segments} == {LOG, "another"}
    assert auditor.tick(4.0, policies={"p": "1"}, registry="r") == (None, [])
    second, _ = auditor.tick(5.0, policies={"p": "2"}, registry="r")
    assert second is not None
    assert (second.number, second.segments, second.policies) == (2, (), {"p": "2"})


def test_the_first_checkpoint_is_made_of_nothing_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    made, _ = Auditor(world.logs, world.checkpoints).tick(3.0)
    assert made is not None
    assert (made.number, made.segments) == (1, ())


def test_another_auditor_goes_on_where_it_ended(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(decision("d1"))
    Auditor(world.logs, world.checkpoints).tick(3.0)
    assert Auditor(world.logs, world.checkpoints).tick(4.0) == (None, [])
    world.write(decision("d2"))
    made, _ = Auditor(world.logs, world.checkpoints).tick(5.0)
    assert made is not None
    assert [found.records for found in made.segments] == [2]
    assert world.verify().faults == ()


def test_what_is_retired_may_go(tmp_path: Path) -> None:
    world = World(tmp_path)
    auditor = Auditor(world.logs, world.checkpoints)
    name, _ = world.fill(2)
    world.seal()
    auditor.tick(3.0)
    auditor.retire(4.0, [(LOG, name)])
    for path in world.root.rglob(f"{name}.*"):
        path.unlink()
    assert world.verify().faults == ()
    assert auditor.tick(5.0) == (None, [])
