"""Keeps a replica on the newest split: a long poll that outlives the Switchboard's restarts."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

from windvane.cluster.errors import Invalid, Unavailable
from windvane.serve_apps.traffic.loaded_versions import LoadedVersions, Report
from windvane.serve_apps.traffic.router import Split

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 2.0
logger = logging.getLogger(__name__)


class Feed(Protocol):
    """The Switchboard as one replica sees it; every call raises Unavailable when it is gone."""

    async def wait(self, known_revision: int, report: Report) -> Split | None:
        """The newest split as soon as it is newer than the known revision; None after a while without one."""

    async def report(self, report: Report) -> None:
        """Say where the replica stands, between two waits."""

    async def leave(self) -> None:
        """Say that the replica stops."""


class SplitSubscriber:
    """Takes every split that the feed gives; without a feed the last split stays in force."""

    def __init__(
        self,
        feed: Feed,
        loaded_versions: LoadedVersions,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
        report: Callable[[], Report] | None = None,
    ) -> None:
        """`report` says where the replica stands; without one, the loaded versions do."""
        self._feed = feed
        self._loaded_versions = loaded_versions
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._report = report or loaded_versions.report
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def changed(self) -> None:
        """The report of the loaded versions is another one now."""
        self._changed.set()

    def start(self) -> None:
        """Follow until stopped."""
        self._tasks = [asyncio.ensure_future(self._follow()), asyncio.ensure_future(self._report_changes())]

    async def stop(self) -> None:
        """Stop following and say so."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(Unavailable):
            await self._feed.leave()

    async def _follow(self) -> None:
        pause = self._first_pause_seconds
        while True:
            try:
                split = await self._feed.wait(self._loaded_versions.known_revision, self._report())
                if split is not None:
                    self._loaded_versions.take(split)
                pause = self._first_pause_seconds
                continue
            except (Unavailable, Invalid) as error:
                logger.info("The last split stays in force: %s", error)
            except Exception:
                logger.exception("Following the Switchboard met an unforeseen error; it goes on")
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._longest_pause_seconds)

    async def _report_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._feed.report(self._report())
            except Unavailable:
                pass  # the next wait says it
            except Exception:
                logger.exception("Reporting to the Switchboard met an unforeseen error; it goes on")
