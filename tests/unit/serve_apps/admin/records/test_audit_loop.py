"""Control's part in the audit trail: every event is told, what stands is signed, tampering becomes a finding."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.bundles import SPEC
from tests.worlds.log.audit_world import LOG, World
from tests.worlds.log.decision_log import decision, skip_syncs
from windvane.backtest.memory import MemoryRegistry, MemoryStore
from windvane.cluster.clock import Clock
from windvane.cluster.decision_log.audit.auditor import Auditor
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Act
from windvane.cluster.decision_log.write.trail import TRAIL, Trail
from windvane.cluster.errors import Conflict, Unavailable
from windvane.cluster.registry import registry_state
from windvane.cluster.store import Event
from windvane.serve_apps.admin.records.audit_loop import AuditLoop

START = datetime(2026, 3, 1, tzinfo=UTC)
MODEL = SPEC.model_copy(update={"name": LOG, "retention": timedelta(days=30)})


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


class Control:
    """An AuditLoop over a log in a folder; made again from the same folder it is the next process."""

    def __init__(self, home: Path, store: MemoryStore) -> None:
        self.world = World(home)
        self.store = store
        trail = Trail(self.world.logs, "control-1", Clock(START.timestamp))
        self.audit_loop = AuditLoop(
            self.world.logs,
            store,
            trail,
            lambda: Auditor(self.world.logs, self.world.checkpoints),
            lambda: registry_state(MemoryRegistry(), [LOG]),
            lambda: {"admin": "a1"},
        )

    def tick(self, after: timedelta = timedelta(0)) -> None:
        self.audit_loop.tick([MODEL], START + after)

    def acts(self) -> list[Act]:
        return [record for record in Tail(self.world.logs / TRAIL).read() if isinstance(record, Act)]

    def findings(self) -> list[tuple[str, Any]]:
        return [(event.model, event.facts["fault"]) for event in self.store.events() if event.kind == "finding"]


def event(number: int) -> Event:
    return Event(START, "phase", LOG, number, f"v{number} enters shadow", facts={"revision": number})


def test_every_event_is_told_once_also_by_the_next_process(tmp_path: Path) -> None:
    store = MemoryStore()
    control = Control(tmp_path, store)
    store.append(event(1))
    store.append(event(2))
    control.tick()
    store.append(event(3))
    Control(tmp_path, store).tick()
    told = control.acts()
    assert [(act.version, act.facts) for act in told] == [(n, {"revision": n, "event": n}) for n in (1, 2, 3)]
    assert told[0] == Act(START.timestamp(), "phase", "windvane", LOG, 1, "v1 enters shadow", told[0].facts)


def test_an_event_that_could_not_be_told_is_told_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control(tmp_path, MemoryStore())
    control.store.append(event(1))

    def full(*_: object) -> None:
        raise Unavailable("the decision log cannot be written")

    with monkeypatch.context() as patch:
        patch.setattr(Trail, "record", full)
        with pytest.raises(Unavailable):
            control.tick()
    control.tick()
    assert [act.version for act in control.acts()] == [1]


def test_a_checkpoint_a_minute_names_logs_policies_and_registry(tmp_path: Path) -> None:
    control = Control(tmp_path, MemoryStore())
    for n, after in enumerate((0, 1, 59, 60)):
        control.world.write(decision(f"d{n}"))
        control.tick(timedelta(seconds=after))
    standing = control.world.checkpoints.standing
    assert (standing.number, standing.policies) == (2, {"admin": "a1"})
    assert standing.registry == registry_state(MemoryRegistry(), [LOG])
    assert [vouched.records for vouched in standing.segments.values()] == [4]


def test_a_clock_set_back_an_hour_does_not_stop_signing(tmp_path: Path) -> None:
    control = Control(tmp_path, MemoryStore())
    for n, after in enumerate((0, 30, -3600, -3590, -3540)):
        control.world.write(decision(f"d{n}"))
        control.tick(timedelta(seconds=after))
    standing = control.world.checkpoints.standing
    assert (standing.number, standing.at) == (3, START.timestamp())
    assert control.findings() == []


def test_what_was_tampered_with_is_a_finding_once(tmp_path: Path) -> None:
    store = MemoryStore()
    control = Control(tmp_path, store)
    control.world.write(decision("d1"))
    control.world.write(decision("d2"))
    control.tick()
    (path,) = (control.world.root / "live").glob("*.seg")
    path.write_bytes(path.read_bytes()[:-60])
    control.tick(timedelta(minutes=1))
    Control(tmp_path, store).tick(timedelta(minutes=2))
    assert control.findings() == [(LOG, "cut")]


def test_a_replaced_checkpoint_is_a_finding_and_nothing_more_is_signed(tmp_path: Path) -> None:
    control = Control(tmp_path, MemoryStore())
    control.tick()
    content = control.world.file.read_bytes()
    control.world.file.write_bytes(content.replace(b"admin", b"a1min"))
    again = Control(tmp_path, control.store)
    again.world.write(decision("d1"))
    for minutes in (1, 2):
        with pytest.raises(Conflict):
            again.tick(timedelta(minutes=minutes))
    assert set(again.findings()) == {(TRAIL, "changed"), (TRAIL, "forged")}
    assert again.world.file.read_bytes() == content.replace(b"admin", b"a1min")


def test_what_is_older_than_its_retention_goes_and_is_told(tmp_path: Path) -> None:
    control = Control(tmp_path, MemoryStore())
    old = (START - timedelta(days=31)).timestamp()
    control.world.write(decision("old", at=old))
    control.world.writer.roll(now=True)
    control.world.write(decision("new", at=START.timestamp()))
    control.world.writer.roll(now=True)
    control.world.seal()
    control.tick()
    (act,) = control.acts()
    assert (act.kind, act.model, act.who) == ("retired", LOG, "windvane")
    kept = Tail(control.world.root).read()
    assert [record.decision_id for record in kept] == ["new"]  # type: ignore[union-attr]
    assert control.world.verify().faults == ()
    assert [log for log, _ in control.world.checkpoints.standing.retired] == [LOG]
