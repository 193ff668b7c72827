"""Refuses what policy does not let be decided or done, once it is on record."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NoReturn

from windvane.cluster.errors import WindvaneError
from windvane.serve_apps.pipeline.pending import Scored
from windvane.serve_apps.pipeline.policy_check import PolicyContext, denied
from windvane.serve_apps.pipeline.ports import Counts, Log
from windvane.serve_apps.pipeline.records import DecisionRecorder
from windvane.serve_apps.protocol.question import Question
from windvane.serve_apps.protocol.unforeseen import told
from windvane.serve_apps.traffic.loaded_versions import InForce

logger = logging.getLogger(__name__)


class Denials:
    """One model's, in one replica; belongs to the event loop."""

    def __init__(
        self, records: DecisionRecorder, log: Log, counts: Counts, now: Callable[[], float], unit: Callable[[str], str]
    ) -> None:
        self._records = records
        self._log = log
        self._counts = counts
        self._now = now
        self._unit = unit

    async def refuse(
        self, questions: Sequence[Question], bases: Sequence[PolicyContext], in_force: InForce
    ) -> NoReturn:
        """Raise Denied once every denial is on record; none of the questions is decided, also not those allowed."""
        places = [place for place, each in enumerate(bases) if not each.verdict.allowed]
        buckets = [in_force.router.bucket(self._unit(questions[place].subject)) for place in places]
        refused, why = [questions[place] for place in places], [bases[place] for place in places]
        ids = self._records.refused(refused, why, buckets, in_force.split.revision, self._now())
        await self._log.commit()
        for basis in why:
            self._counts.denied(basis.verdict.category)
        raise denied(why[0].verdict, ids)

    def block(self, scored: Scored, finished: Callable[[int], None]) -> None:
        """Refuse these rows, whose actions policy denies; `finished` hears how many once they have their errors."""

        def recorded(done: "asyncio.Future[None]") -> None:
            error = done.exception()
            finished(
                sum(
                    row.pending.fail(row.place, denied(taken.verdict, (name,)) if error is None else told(error))
                    for row, taken, name in zip(scored.rows, scored.taken, ids, strict=True)
                )
            )
            if error is None:
                for taken in scored.taken:
                    self._counts.denied(taken.verdict.category)

        try:
            ids = self._records.blocked(scored, self._now())
            committed = self._log.commit()
        except Exception as error:  # whatever it is, nobody may wait for ever
            if not isinstance(error, WindvaneError):
                logger.exception("%d denials could not be logged", len(scored.rows))
            finished(sum(row.pending.fail(row.place, told(error)) for row in scored.rows))
        else:
            committed.add_done_callback(recorded)
