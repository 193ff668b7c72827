"""Acts are on disk when they are told, in a chain of their own, and what cannot be told is refused."""

from pathlib import Path

import pytest

from tests.worlds.log.decision_log import skip_syncs
from windvane.cluster.clock import Clock
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.verify import verify
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Act
from windvane.cluster.decision_log.write.trail import TRAIL, Trail
from windvane.cluster.errors import Unavailable


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


def test_what_is_told_is_read_from_the_log_live_and_sealed(tmp_path: Path) -> None:
    now = [1000.0]
    trail = Trail(tmp_path, "control-1", Clock(lambda: now[0], lambda: now[0]))
    trail.tell("erased", "ana", "a subject was erased", facts={"subject": "ab12", "keys": 1})
    trail.record(
        Act(1001.0, "phase", "control", "churn", 3, "v3 enters shadow"), Act(1002.0, "read", "ana", "", None, "")
    )
    root = tmp_path / TRAIL
    assert [act.kind for act in Tail(root).read() if isinstance(act, Act)] == ["erased", "phase", "read"]
    asked = """SELECT kind, who, model, version, json_extract_string(facts, '$.subject') AS subject
               FROM acts ORDER BY recorded_at"""
    live = Query(root, ()).sql(asked).to_pylist()
    now[0] += 301.0
    trail.roll()
    assert len(Sealer(root).seal()) == 1
    assert Query(root, ()).sql(asked).to_pylist() == live
    assert live[0] == {"kind": "erased", "who": "ana", "model": "", "version": None, "subject": "ab12"}
    trail.tell("read", "ben", "again")
    trail.close()
    assert Query(root, ()).sql("SELECT count(*) AS n FROM acts").to_pylist() == [{"n": 4}]
    report = verify(tmp_path, tmp_path / "none", [], processes=1)
    assert (report.records, report.faults) == (4, ())


def test_an_act_that_the_disk_refuses_is_refused_and_the_next_may_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = Trail(tmp_path, "control-1", Clock(lambda: 1000.0))
    trail.tell("read", "ana", "first")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write_whole", full)
        with pytest.raises(Unavailable, match="No space left"):
            trail.tell("read", "ana", "second")
    trail.tell("read", "ana", "third")
    assert [act.detail for act in Tail(tmp_path / TRAIL).read() if isinstance(act, Act)] == ["first", "third"]
