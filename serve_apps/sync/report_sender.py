"""Tells the Switchboard at once where a replica stands."""

import asyncio
import logging

from windvane.cluster.errors import Unavailable
from windvane.serve_apps.sync.topic_reader import TopicLine

logger = logging.getLogger(__name__)


class ReportSender:
    """Reports every change between two reads, which say it too."""

    def __init__(self, line: TopicLine) -> None:
        self._line = line
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """The report is another one now."""
        self._changed.set()

    def start(self) -> None:
        """Report changes until stopped."""
        self._task = asyncio.ensure_future(self._work())

    async def stop(self) -> None:
        """Report no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._line.report()
            except Unavailable:
                pass  # the next read says it
            except Exception:
                logger.exception("Reporting to the Switchboard met an unforeseen error; it goes on")
