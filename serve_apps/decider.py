"""The data plane under every door: route, score, explain, log, answer; one pass per micro-batch."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cluster.decision_log.record import Decision
from cluster.encoding import Rows
from cluster.errors import NotFound, Unavailable, WindvaneError
from configs.schema import ModelSpec
from serve_apps import decision_id
from serve_apps.batcher import Batcher
from serve_apps.question import Answer, Question
from serve_apps.repeats import Repeats
from serve_apps.roster import InForce, Roster
from serve_apps.router import bucket
from serve_apps.ruling import Thresholds
from serve_apps.scorer import LoadedVersion, Scores
from serve_apps.shadows import Answered, Shadows
from serve_apps.sinks import Counts, Log

OVERRIDE, FALLBACK = "override", "fallback"  # arms that no split names
Clock = Callable[[], float]
logger = logging.getLogger(__name__)


class Pending:
    """One row between its arrival and its answer."""

    __slots__ = ("answer", "arrived", "bucket", "override", "question")

    def __init__(
        self, question: Question, override: int | None, arrived: float, answer: "asyncio.Future[Answer]"
    ) -> None:
        self.question = question
        self.override = override
        self.arrived = arrived  # seconds of the monotonic clock
        self.answer = answer
        self.bucket = 0  # the unit's


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of one micro-batch that one version scored for one arm: float32[n, F] and float64[n]."""

    in_force: InForce
    arm: str
    loaded: LoadedVersion
    batch: list[Pending]
    rows: Rows
    scores: Scores

    def only(self, these: NDArray[np.bool_]) -> "Scored":
        """The rows that a bool[n] mask marks."""
        batch = [pending for pending, wanted in zip(self.batch, these, strict=True) if wanted]
        return replace(self, batch=batch, rows=self.rows[these], scores=self.scores[these])


class Decider:
    """Decides questions of one model by the split in force; everything runs on one event loop."""

    def __init__(
        self,
        spec: ModelSpec,
        roster: Roster,
        log: Log,
        counts: Counts,
        shadows: Shadows,
        loop: asyncio.AbstractEventLoop,
        now: Clock = time.time,
        ticks: Clock = time.perf_counter,
    ) -> None:
        self._model = spec.name
        self._thresholds = Thresholds(spec.decision)
        self._roster = roster
        self._log = log
        self._counts = counts
        self._shadows = shadows
        self._loop = loop
        self._now = now
        self._ticks = ticks
        self._repeats = Repeats()
        self._batcher = Batcher(
            self._answer, spec.serving.max_batch_rows, spec.serving.max_waiting_rows, loop.call_soon
        )
        self._explainers = ThreadPoolExecutor(1, "explain")
        self._idle = asyncio.Event()
        self._failing: dict[int, int] = {}  # version → revision of the split under which its failure was logged

    async def decide(
        self,
        questions: Sequence[Question],
        arrived: float,
        override: int | None = None,
        deadline: float | None = None,  # noqa: ARG002 - doors hand it over; admission will read it
    ) -> list[Answer]:
        """All answers or an error; `arrived` and `deadline` in seconds of the monotonic clock.

        `override` is a version that an owner wants.
        Raises Unavailable, Overloaded, NotFound (no such version loaded) or Conflict (an id used twice).
        """
        if self._roster.in_force is None:
            raise Unavailable(f"{self._model} has no version in force yet: try again in a few seconds")
        if override is not None and override not in self._roster.loaded:
            raise self._not_loaded(override)
        answers: list[asyncio.Future[Answer]] = []
        fresh: list[Pending] = []
        try:
            for question in questions:
                known = self._repeats.find(question, override) if question.request_id is not None else None
                if known is None:
                    known = self._loop.create_future()
                    fresh.append(Pending(question, override, arrived, known))
                    self._repeats.open(question, override, known)
                answers.append(known)
            if fresh:
                self._batcher.add(fresh)
        except WindvaneError:
            for pending in fresh:
                pending.answer.cancel()
            raise
        # A caller that goes away must not take the answer from whoever sends the same id again.
        return [
            await (answer if question.request_id is None else asyncio.shield(answer))
            for question, answer in zip(questions, answers, strict=True)
        ]

    async def drain(self) -> None:
        """Return when every row that waits is answered or failed."""
        while self._batcher.waiting:
            self._idle.clear()
            await self._idle.wait()

    def _answer(self, batch: list[Pending]) -> None:
        """Route and score one micro-batch; the split that is in force now holds for all of it."""
        in_force = self._roster.in_force
        if in_force is None:
            self._fail(batch, Unavailable(f"{self._model} has no version in force: try again in a few seconds"))
            return
        salt, pick = in_force.split.salt, in_force.router.pick
        groups: dict[tuple[str, int], list[Pending]] = {}
        for pending in batch:
            pending.bucket = bucket(salt, pending.question.subject)
            if pending.override is None:
                arm = pick(pending.bucket)
                groups.setdefault((arm.name, arm.version), []).append(pending)
            else:
                groups.setdefault((OVERRIDE, pending.override), []).append(pending)
        for (name, version), rows in groups.items():
            self._score(in_force, name, version, rows)

    def _score(self, in_force: InForce, arm: str, version: int, batch: list[Pending]) -> None:
        loaded = in_force.versions.get(version) or self._roster.loaded.get(version)
        if loaded is None:  # asked for by an owner, and let go a moment ago
            self._fail(batch, self._not_loaded(version))
            return
        try:
            rows, scores = loaded.score([pending.question.row for pending in batch])
        except WindvaneError as error:
            self._fall_back(in_force, arm, version, batch, error)
            return
        scored = Scored(in_force, arm, loaded, batch, rows, scores)
        if not any(pending.question.explain for pending in batch):
            self._log_and_answer(scored)
            return
        asked = np.array([pending.question.explain for pending in batch])
        if not asked.all():
            self._log_and_answer(scored.only(~asked))
        self._explain(scored.only(asked))

    def _explain(self, scored: "Scored") -> None:
        """In a thread, so that nobody who did not ask waits for it."""
        explaining = self._loop.run_in_executor(self._explainers, scored.loaded.explain, scored.rows)

        def explained(done: "asyncio.Future[NDArray[np.float64]]") -> None:
            error = done.exception()
            if error is None:
                self._log_and_answer(scored, done.result().tolist())
            else:
                self._fall_back(scored.in_force, scored.arm, scored.loaded.number, scored.batch, error)

        explaining.add_done_callback(explained)

    def _fall_back(self, in_force: InForce, arm: str, version: int, batch: list[Pending], error: BaseException) -> None:
        """Count the failure and let the champion answer, unless it failed itself or an owner wanted this version."""
        revision = in_force.split.revision
        self._counts.error(version, revision, len(batch), arm)
        if self._failing.get(version) != revision:  # said once; the counts say how often
            self._failing[version] = revision
            logger.warning("Arm %s of split %d: %s", arm, revision, error)
        champion = in_force.fallback(version) if arm not in (OVERRIDE, FALLBACK) else None
        if champion is None:
            self._fail(batch, error)
        else:
            self._score(in_force, FALLBACK, champion, batch)

    def _log_and_answer(self, scored: "Scored", contributions: list[list[float]] | None = None) -> None:
        """Append every decision of the group and commit in the same step; answers go out when the log has them."""
        at = self._now()
        try:
            answers = [
                self._log_one(scored, pending, score, at, tuple(contributions[place]) if contributions else None)
                for place, (pending, score) in enumerate(zip(scored.batch, scored.scores.tolist(), strict=True))
            ]
            committed = self._log.commit()
        except WindvaneError as error:
            self._fail(scored.batch, error)
            return
        except Exception as error:  # whatever it is, nobody may wait for ever
            logger.exception("%d decisions could not be logged", len(scored.batch))
            self._fail(scored.batch, error)
            return
        committed.add_done_callback(lambda done: self._committed(scored, answers, at, done.exception()))

    def _log_one(
        self, scored: "Scored", pending: Pending, score: float, at: float, explanation: tuple[float, ...] | None
    ) -> Answer:
        question, arm, version = pending.question, scored.arm, scored.loaded.number
        key = question.request_id
        name = decision_id.timely(at) if key is None else decision_id.fixed(self._model, key)
        action, reasons = self._thresholds.rule(score)
        event_time = at if question.event_time is None else question.event_time
        self._log.append(
            Decision(
                name,
                at,
                event_time,
                version,
                arm,
                scored.in_force.split.revision,
                question.subject,
                pending.bucket,
                question.row,
                score,
                action,
                reasons,
                question.context,
                key,
                explanation,
            )
        )
        return Answer(name, version, arm, score, action, reasons, scored.loaded.names, explanation)

    def _committed(self, scored: "Scored", answers: list[Answer], at: float, error: BaseException | None) -> None:
        """The log has the group, or refused it: nothing is answered that is not logged."""
        if error is not None:
            self._fail(scored.batch, error)
            return
        for pending, answer in zip(scored.batch, answers, strict=True):
            if not pending.answer.done():  # its caller may have gone away
                pending.answer.set_result(answer)
        self._finished(len(answers))
        self._loop.call_soon(self._count, scored, answers, at, self._ticks())

    def _count(self, scored: "Scored", answers: list[Answer], at: float, replied: float) -> None:
        """Off the path: the replies are on their way."""
        split, version = scored.in_force.split, scored.loaded.number
        self._counts.add(
            version,
            split.revision,
            scored.arm,
            scored.rows,
            scored.scores,
            np.array([at if p.question.event_time is None else p.question.event_time for p in scored.batch]),
            [answer.action for answer in answers],
            [1000.0 * (replied - pending.arrived) for pending in scored.batch],
        )
        if split.shadows:
            ids = [answer.decision_id for answer in answers]
            records = [pending.question.row for pending in scored.batch]
            self._shadows.offer(Answered(scored.in_force, version, ids, records))

    def _fail(self, batch: list[Pending], error: BaseException) -> None:
        for pending in batch:
            if not pending.answer.done():
                pending.answer.set_exception(error)
                pending.answer.exception()  # seen, also when another row's error is raised first
        self._finished(len(batch))

    def _finished(self, rows: int) -> None:
        self._batcher.finished(rows)
        if not self._batcher.waiting:
            self._idle.set()

    def _not_loaded(self, version: int) -> NotFound:
        loaded = ", ".join(map(str, sorted(self._roster.loaded)))
        return NotFound(f"Version {version} of {self._model} is not loaded here; loaded are {loaded}")
