"""A writer's segments: rolled by age however the clock is set, and named so that they never seem to be put in later."""

from pathlib import Path

import msgspec
import pytest

from tests.worlds.log.audit_world import LOG, World
from tests.worlds.log.decision_log import COLUMNS, decision, skip_syncs
from windvane.cluster.clock import Clock
from windvane.cluster.decision_log.audit.checkpoint import LATE_SECONDS
from windvane.cluster.decision_log.audit.checkpoints import last_signed
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.write.rolling import RollingSegments
from windvane.cluster.decision_log.write.segment import Header, frame, live_names

NOON, HOUR = 1_800_000_000.0, 3600.0


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


class Machine:
    """A log with a checkpoint a minute, on a clock that may be set back and ticks that may not."""

    def __init__(self, home: Path) -> None:
        self.world = World(home)
        self.now, self.ticks = NOON, 0.0
        self.segments = self.process("replica-1")

    def process(self, writer: str) -> RollingSegments:
        return RollingSegments(
            self.world.root,
            Header(LOG, writer, 0.0, COLUMNS, durability="buffered"),
            clock=Clock(lambda: self.now, lambda: self.ticks),
            signed_until=lambda: last_signed(self.world.file),
        )

    def pass_by(self, seconds: float) -> None:
        self.now, self.ticks = self.now + seconds, self.ticks + seconds
        self.segments.roll()

    def write(self, name: str) -> None:
        assert self.segments.write(frame(msgspec.msgpack.encode(decision(name, at=self.now)))) is None

    def sign(self) -> None:
        assert self.world.checkpoint(self.now) == []


def test_a_clock_set_back_an_hour_neither_delays_a_roll_nor_makes_a_segment_look_put_in_later(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.write("d1")
    machine.pass_by(200.0)
    machine.sign()
    machine.now -= HOUR
    assert machine.segments.seconds_left() == 100.0
    machine.pass_by(100.0)
    assert machine.segments.seconds_left() is None
    machine.write("d2")
    machine.sign()
    assert machine.world.verify().faults == ()
    assert len(live_names(machine.world.root)) == 2
    machine.segments.roll(now=True)
    machine.world.seal()
    machine.sign()
    assert machine.world.verify().faults == ()


def test_nor_does_one_of_a_process_that_starts_after_it_was_set_back(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.write("d1")
    machine.sign()
    machine.pass_by(HOUR / 2)
    machine.segments = machine.process("replica-2")
    machine.write("d2")
    machine.sign()  # newer than any segment will be for an hour
    machine.now -= HOUR
    machine.segments = machine.process("replica-3")
    machine.write("d3")
    machine.sign()
    assert machine.world.verify().faults == ()


def test_without_knowing_of_checkpoints_it_would(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.write("d1")
    machine.sign()
    machine.now -= 2.0 * LATE_SECONDS
    header = Header(LOG, "replica-2", 0.0, COLUMNS, durability="buffered")
    late = RollingSegments(machine.world.root, header, clock=Clock(lambda: machine.now))
    assert late.write(frame(msgspec.msgpack.encode(decision("d2")))) is None
    assert [fault.kind for fault in machine.world.checkpoint(machine.now)] == ["inserted"]


def test_segments_keep_their_order_while_the_clock_stands_still(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for number in range(3):
        machine.write(f"d{number}")
        machine.segments.roll(now=True)
        machine.now -= 1.0
    assert [record.decision_id for record in Tail(machine.world.root).read()] == ["d0", "d1", "d2"]  # type: ignore[union-attr]


@pytest.mark.parametrize("damage", [b"", b'{"body":"{', b'not json\n{"body":1}\n', b"\0\0}\n"])
def test_when_the_last_checkpoint_was_made_is_read_from_the_last_whole_line(tmp_path: Path, damage: bytes) -> None:
    machine = Machine(tmp_path)
    assert last_signed(machine.world.file) == last_signed(tmp_path / "never") == 0.0
    machine.write("d1")
    machine.sign()
    with machine.world.file.open("ab") as file:
        file.write(damage)
    assert last_signed(machine.world.file) == (0.0 if damage.startswith(b"not") else NOON)


def test_checkpoints_never_go_back_in_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.write("d1")
    machine.sign()
    assert machine.world.checkpoints.append(NOON - HOUR).at == NOON
