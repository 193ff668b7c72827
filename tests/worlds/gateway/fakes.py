"""A log, counts, a Switchboard and a version as a replica sees them, in memory, that fail when a test wants it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import TypeVar

import numpy as np

from windvane.cluster.decision_log.record import Record
from windvane.cluster.errors import Unavailable
from windvane.monitoring.counts.arm_key import ArmKey
from windvane.serve_apps.sync.switchboard import Switchboard
from windvane.serve_apps.sync.topics import News, Position, Topics
from windvane.serve_apps.traffic.loaded_versions import LoadedReport

T = TypeVar("T")


class FakeLog:
    """In memory; set `refusal` and commits fail, `holding` and they wait for `release`, `gone` and it is not open."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.refusal: str | None = None
        self.holding = self.gone = False
        self.alone: list[bool] = []  # as each commit was told
        self._held: list[asyncio.Future[None]] = []

    def append(self, record: Record) -> None:
        self.records.append(record)

    def extend(self, records: Sequence[Record]) -> None:
        self.records += records

    def commit(self, *, alone: bool = False) -> "asyncio.Future[None]":
        self.alone.append(alone)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.holding:
            self._held.append(future)
        elif self.refusal:
            future.set_exception(Unavailable(self.refusal))
        else:
            future.set_result(None)
        return future

    def demand_writable(self) -> None:
        if self.gone:
            raise Unavailable("the decision log's writer died: restart this replica")

    def release(self) -> None:
        self.holding = False
        for future in self._held:
            future.set_result(None)

    def of(self, kind: type[T]) -> list[T]:
        return [record for record in self.records if isinstance(record, kind)]


class FakeCounts:
    """Remembers what was counted, as tuples."""

    def __init__(self) -> None:
        self.added: list[tuple[int, int, str, int]] = []  # version, revision, arm, rows
        self.latencies_ms: list[float] = []
        self.errors: list[tuple[int, int, int, str]] = []
        self.shadows: list[tuple[int, int, int]] = []
        self.drops: list[tuple[int, int]] = []
        self.denials: list[str] = []  # categories
        self.refusals: list[tuple[tuple[str, str], ...]] = []  # causes of each, as field and reason
        self.warnings: list[tuple[tuple[str, str], ...]] = []

    def add(
        self,
        key: ArmKey,
        rows: Sized,
        scores: Sized,
        event_times: Sized,
        actions: Sized,
        latencies_ms: Sequence[float],
    ) -> None:
        assert len(rows) == len(scores) == len(event_times) == len(actions) == len(latencies_ms)
        self.added.append((key.version, key.revision, key.arm, len(rows)))
        self.latencies_ms += latencies_ms

    def error(self, key: ArmKey, n: int = 1) -> None:
        self.errors.append((key.version, key.revision, n, key.arm))

    def shadow(self, version: int, revision: int, scores: np.ndarray) -> None:
        self.shadows.append((version, revision, len(scores)))

    def dropped(self, version: int, n: int = 1) -> None:
        self.drops.append((version, n))

    def denied(self, category: str, n: int = 1) -> None:
        self.denials += [category] * n

    def refused(self, causes: Iterable[tuple[str, str]], n: int = 1) -> None:
        self.refusals += [tuple(causes)] * n

    def warned(self, causes: Iterable[tuple[str, str]]) -> None:
        self.warnings.append(tuple(causes))


class BrokenVersion:
    """A version that was loaded and cannot score."""

    names: tuple[str, ...] = ()

    def __init__(self, number: int) -> None:
        self.number = number

    def score(self, records: Sequence[Sequence[object]], block: object = None) -> None:
        raise Unavailable(f"Version {self.number} cannot score: it is broken")


class FakeLines:
    """A Switchboard of one replica's own, in the same process; what a test publishes need not be in a store."""

    def __init__(self) -> None:
        self.topics = Topics()
        self.switchboard = Switchboard(self.topics)
        self.reports: list[LoadedReport] = []
        self.left: list[str] = []

    def __call__(self, report: Callable[[], LoadedReport] | None) -> "FakeLine":
        return FakeLine(self, "policies" if report is None else "splits", report)


class FakeLine:
    """One reader's line to it."""

    def __init__(self, lines: FakeLines, reader: str, report: Callable[[], LoadedReport] | None) -> None:
        self._lines, self._reader, self._report = lines, reader, report

    async def read(self, topics: tuple[str, ...], place: Position) -> News:
        if self._report is not None:
            self._lines.reports.append(self._report())
        return await self._lines.topics.read(self._reader, topics, place)

    async def report(self) -> None:
        assert self._report is not None
        self._lines.reports.append(self._report())

    async def leave(self) -> None:
        self._lines.left.append(self._reader)
