"""The monitor's shell reads the log before it answers, in small pieces, one reading at a time."""

import asyncio

import pytest

from tests.worlds.observations import DAY, PROFILE, SPEC, count, decided, rows, tally
from windvane.cluster.decision_log.record import Record
from windvane.cluster.errors import Invalid
from windvane.monitoring.monitor import CHUNK, Monitor


class FakeTail:
    """A log that gives its records once."""

    def __init__(self, records: list[Record]) -> None:
        self._records = records
        self.reads: list[int] = []
        self.reading = False

    def read(self, limit: int = CHUNK) -> list[Record]:
        assert not self.reading, "two readings at once"
        self.reading = True
        given, self._records = self._records[:limit], self._records[limit:]
        self.reads.append(len(given))
        self.reading = False
        return given


def test_a_view_is_of_everything_in_the_log() -> None:
    async def look() -> None:
        tail = FakeTail([record for day in range(4) for record in decided(2000, day=day)])
        monitor = Monitor(SPEC, tail, clock=lambda: 1000.0)
        counts = tally()
        count(counts, 3, rows(500))
        await monitor.ship("r1", counts.drain())
        await monitor.watch_profile(1, PROFILE.to_json())
        view = await monitor.view(1, None, 1000, None)
        assert tail.reads == [5000, 5000, 5000, 1000]
        assert view.watermark == 3 * DAY + 499
        assert view.reference == PROFILE.performance
        assert [measures.window for measures in view.measures] == [0, 1, 2, 3]
        assert view.labelled is not None
        assert (view.labelled.start, view.labelled.end) == (2 * DAY, 3 * DAY)

    asyncio.run(look())


def test_a_model_without_a_clock_of_its_own_is_seen_by_the_wall() -> None:
    async def look() -> None:
        monitor = Monitor(SPEC, FakeTail(decided(300)), clock=lambda: 0.0)
        assert (await monitor.view(1, None, 100, None)).labelled is None
        view = await monitor.view(1, None, 100, 2 * DAY)
        assert view.labelled is not None

    asyncio.run(look())


def test_askers_at_once_share_the_log() -> None:
    async def look() -> None:
        monitor = Monitor(SPEC, FakeTail(decided(300, shadow=2)))
        first, second, third = await asyncio.gather(
            monitor.evidence(1, 1, 2, 0.0), monitor.evidence(1, 1, 2, 0.0), monitor.performances()
        )
        assert first.paired is not None
        assert first == second
        assert first.paired.n == 300
        assert len(third) == 3

    asyncio.run(look())


def test_a_profile_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Invalid, match="not a profile"):
        asyncio.run(Monitor(SPEC, FakeTail([])).watch_profile(1, b"nonsense"))


def test_a_fresh_monitor_says_that_it_has_seen_nothing() -> None:
    async def look() -> None:
        monitor = Monitor(SPEC, FakeTail([]), clock=lambda: 5.0)
        snapshot = await monitor.snapshot()
        assert (snapshot.watermark, snapshot.decisions_per_second, snapshot.latency_p99_ms) == (None, None, None)
        assert await monitor.measures(1) == ()

    asyncio.run(look())
