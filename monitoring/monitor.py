"""The monitor of one model: a thin asynchronous shell around its observation, run as a Ray actor."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from windvane.cluster.decision_log.record import BriefRecord, Record
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.observation import Observation
from windvane.monitoring.counts.profile import Profile
from windvane.monitoring.counts.snapshot import Snapshot, WindowPerformance
from windvane.monitoring.evidence import Evidence
from windvane.monitoring.findings import WindowMeasures
from windvane.monitoring.loop.retrain_decision import MonitorView, view

CHUNK = 5000  # records joined between two turns of the event loop: about 20 ms


class TailPort(Protocol):
    """Follows the decision log."""

    def read(self, limit: int = CHUNK) -> Sequence[Record | BriefRecord]:
        """At most `limit` records that no earlier call returned."""


class Monitor:
    """Takes in counts and the log, answers the watcher, the rollout and status; every call is short."""

    def __init__(self, spec: ModelSpec, tail: TailPort, clock: Callable[[], float] = time.time) -> None:
        self._observation = Observation(spec)
        self._tail = tail
        self._clock = clock
        self._reading = asyncio.Lock()

    async def ship(self, replica: str, payload: bytes) -> None:
        """Take in what a replica counted."""
        self._observation.ship(replica, payload, self._clock())

    async def watch_profile(self, version: int, profile_json: bytes) -> None:
        """Compare that version with this reference from now on."""
        self._observation.watch(version, Profile.from_json(profile_json))

    async def refresh(self) -> None:
        """Take in everything new in the log."""
        async with self._reading:
            while True:
                records = await asyncio.to_thread(self._tail.read, CHUNK)
                self._observation.read(records)
                if len(records) < CHUNK:
                    return

    async def view(self, version: int, after: int | None, min_labels: int, clock: float | None) -> MonitorView:
        """Answers the watcher, on a fresh reading of the log."""
        await self.refresh()
        return view(self._observation, version, after, min_labels, clock)

    async def evidence(self, revision: int, champion: int, candidate: int, since: float) -> Evidence:
        """Answers the judge, on a fresh reading of the log."""
        await self.refresh()
        return self._observation.evidence(revision, champion, candidate, since)

    async def measures(self, version: int, after: int | None = None) -> tuple[WindowMeasures, ...]:
        """The version's windows, oldest first."""
        return self._observation.measures(version, after)

    async def performances(self) -> tuple[WindowPerformance, ...]:
        """Performance by window of everything answered and of each version."""
        await self.refresh()
        return self._observation.performances()

    async def snapshot(self) -> Snapshot:
        """Totals, rates and latencies, for status and metrics."""
        return self._observation.snapshot(self._clock())
