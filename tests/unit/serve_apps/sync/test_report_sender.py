"""Every change of where a replica stands is reported at once, whatever the Switchboard answers."""

import asyncio

from tests.worlds.gateway.world import settled
from windvane.cluster.errors import Unavailable
from windvane.serve_apps.sync.report_sender import ReportSender
from windvane.serve_apps.sync.topics import News, Position


class Line:
    """Counts reports; raises what is in `troubles` first."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.reports = 0

    async def read(self, topics: tuple[str, ...], place: Position) -> News:
        raise NotImplementedError

    async def report(self) -> None:
        self.reports += 1
        if self.troubles:
            raise self.troubles.pop(0)

    async def leave(self) -> None:
        raise NotImplementedError


def test_each_change_is_reported_also_after_one_that_could_not_be() -> None:
    async def scenario() -> None:
        line = Line(Unavailable("gone"), RuntimeError("nobody foresaw this"))
        sender = ReportSender(line)
        sender.start()
        for reports in range(1, 4):
            sender.changed()
            await settled(lambda: line.reports == reports)  # noqa: B023  asked before the next round
        await sender.stop()

    asyncio.run(scenario())


def test_stopping_what_was_never_started_is_no_error() -> None:
    asyncio.run(ReportSender(Line()).stop())
