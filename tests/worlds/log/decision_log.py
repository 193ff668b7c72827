"""Segments for tests: written by the real live segment, without a writer's thread or loop."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.record import Decision, Outcome, Record, Shadow, Value
from windvane.cluster.decision_log.write.live import LiveSegment
from windvane.cluster.decision_log.write.segment import FeatureColumn, Header, frame, live_path
from windvane.configs.schema import Feature

FEATURES = (
    Feature(name="temp", type="number"),
    Feature(name="hour of day", type="integer"),
    Feature(name="weekend", type="boolean"),
    Feature(name="carrier", type="category", categories=("UA", "DL")),
)
COLUMNS = tuple(FeatureColumn(feature.name, feature.type) for feature in FEATURES)


def decision(
    name: str, at: float = 10.0, features: tuple[Value, ...] = (20.5, 7, True, "UA"), event_time: float = 9.0
) -> Decision:
    return Decision(
        name, at, event_time, 1, "champion", 4, "N725MQ", 1 << 31, features, 0.7, "warn", ("late",), {"k": 1}
    )


def outcome(name: str, label: bool | None = True, at: float = 11.0, **kpis: float) -> Outcome:
    return Outcome(name, at, label, kpis)


def shadow(names: Iterable[str], version: int = 2, at: float = 10.5) -> Shadow:
    names = tuple(names)
    return Shadow(at, version, names, (0.25,) * len(names))


def skip_syncs(patch: pytest.MonkeyPatch) -> None:
    """Nobody cuts the power in these tests, and a sync waits for everybody else's."""
    patch.setattr(disk, "sync", lambda _: None)
    patch.setattr(disk, "sync_file", lambda _: None)


class Segment:
    """A live segment under `root`, held until `close`."""

    def __init__(
        self,
        root: Path,
        opened_at: float = 1.0,
        writer: str = "replica-1",
        columns: tuple[FeatureColumn, ...] = COLUMNS,
    ) -> None:
        self._root = root
        self._torn = 0  # bytes behind the last group that was written whole
        self._live = LiveSegment(root, Header("flight-delay", writer, opened_at, columns))
        self.name = self._live.name

    def write(self, *records: Record, durable: bool = False) -> None:
        self.write_bytes(b"".join(frame(msgspec.msgpack.encode(record)) for record in records), durable=durable)

    def write_bytes(self, content: bytes, *, durable: bool = False) -> None:
        """As one group, whatever it is."""
        self._live.append(content, durable=durable)

    def write_torn(self, content: bytes) -> None:
        """As what a kill leaves behind: without a link."""
        with live_path(self._root, self.name).open("r+b") as file:
            file.seek(self._live.size + self._torn)
            self._torn += file.write(content)

    def close(self) -> None:
        self._live.close()

    def kill(self) -> None:
        """Let go of it as a process that dies does: nothing is cut or synced any more."""

        def gone(*_: object) -> None:
            raise OSError

        with pytest.MonkeyPatch.context() as patch, suppress(OSError):
            patch.setattr(disk, "cut", gone)
            self._live.close()


def written(root: Path, *records: Record, opened_at: float = 1.0, columns: tuple[FeatureColumn, ...] = COLUMNS) -> str:
    """A segment that its writer has let go of; returns its name."""
    segment = Segment(root, opened_at, columns=columns)
    segment.write(*records)
    segment.close()
    return segment.name
