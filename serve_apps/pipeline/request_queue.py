"""Queues questions until they are answered: admits them, batches them by turn, drops those nobody wants any more."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from windvane.cluster.errors import Expired
from windvane.serve_apps.pipeline.admission import Admission
from windvane.serve_apps.pipeline.batcher import Batcher
from windvane.serve_apps.pipeline.pending import Pending, Row
from windvane.serve_apps.protocol.unforeseen import told

LET_GO = Expired("Whoever asked has gone away")
logger = logging.getLogger(__name__)


class RequestQueue:
    """Admission before a batcher; everything runs on one event loop."""

    def __init__(
        self,
        run: Callable[[list[Pending]], None],
        largest: int,
        admission: Admission,
        loop: asyncio.AbstractEventLoop,
        ticks: Callable[[], float],
    ) -> None:
        """`run` decides one batch of at most `largest` rows, and says `finished` for every row of it.

        When it raises, every row of the batch that is not over is failed and finished here.
        """
        self.admission = admission
        self._batcher: Batcher[Pending] = Batcher(run, largest, self._soon, self._failed)
        self._loop = loop
        self._ticks = ticks
        self._empty = asyncio.Event()

    def take(self, parts: Sequence[Pending], arrived: float, deadline: float | None) -> None:
        """Take the parts of one request, or none: raises Overloaded or Expired."""
        self.admission.admit(sum(map(len, parts)), arrived, self._ticks(), deadline)
        self._batcher.add(parts)

    def wanted(self, batch: list[Pending]) -> list[Pending]:
        """Those of the batch that somebody still waits for in time; the others are finished."""
        now = self._ticks()
        wanted = []
        for part in batch:
            if part.deadline is not None and part.deadline <= now:
                given = part.deadline - part.arrived
                late = Expired(f"It was not decided in the {given:g} s that it was given: come again, with more")
                self.finished(part.fail_all(late))
            elif part.answer.done():  # its caller went away
                self.finished(part.fail_all(LET_GO))
            else:
                wanted.append(part)
        return wanted

    def hold(self) -> None:
        """A batch waits for the disk: what comes meanwhile can only wait behind it, and had better come as one."""
        self._batcher.hold()

    def release(self) -> None:
        """That batch waits no more."""
        self._batcher.release()

    def finished(self, rows: int) -> None:
        """So many rows were answered or failed."""
        if rows:
            self.admission.finished(rows)
        if not self.admission.rows:
            self._empty.set()

    async def drain(self) -> None:
        """Return when nothing waits."""
        while self.admission.rows:
            self._empty.clear()
            await self._empty.wait()

    def fail(self, rows: Sequence[Row], error: BaseException) -> None:
        """Fail and finish them; a row that is over stays so."""
        fault = told(error)
        self.finished(sum(row.pending.fail(row.place, fault) for row in rows))

    def _failed(self, batch: list[Pending], error: Exception) -> None:
        """Deciding met what nobody foresaw: whoever is not answered yet is told, and waits no more."""
        left = sum(part.fail_all(told(error)) for part in batch)
        logger.error("%d rows were not decided", left, exc_info=error)
        self.finished(left)

    def _soon(self, flush: Callable[[], None]) -> None:
        """Flush on the loop's next turn, and tell admission how long it took to come."""
        due = self._ticks()

        def turn() -> None:
            self.admission.turned(self._ticks() - due)
            flush()

        self._loop.call_soon(turn)
