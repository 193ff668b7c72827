"""Decides under every endpoint: route, score, explain, log, answer; one pass per micro-batch."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from windvane.cluster.callers.caller import ANYBODY
from windvane.cluster.clock import SYSTEM_CLOCK, Clock
from windvane.cluster.encoding import Rows
from windvane.cluster.errors import NotFound, Unavailable, WindvaneError
from windvane.cluster.policies.policy import Principal
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.arm_key import ArmKey
from windvane.serve_apps.pipeline.actions import Actions
from windvane.serve_apps.pipeline.admission import Admission
from windvane.serve_apps.pipeline.body_queue import BodyQueue
from windvane.serve_apps.pipeline.denials import Denials
from windvane.serve_apps.pipeline.explaining import Explaining, Explanations
from windvane.serve_apps.pipeline.idempotency import Idempotency
from windvane.serve_apps.pipeline.pending import Pending, Row, Scored, block, parts
from windvane.serve_apps.pipeline.policy_check import PolicyCheck, PolicyContext
from windvane.serve_apps.pipeline.ports import Counts, Log
from windvane.serve_apps.pipeline.records import DecisionRecorder
from windvane.serve_apps.pipeline.request_queue import RequestQueue
from windvane.serve_apps.pipeline.shadows import Answered, Shadows
from windvane.serve_apps.protocol.question import Answer, Question
from windvane.serve_apps.traffic.loaded_versions import InForce, LoadedVersions
from windvane.serve_apps.versions.reasons.adverse_action import UNEXPLAINED

OVERRIDE, FALLBACK = "override", "fallback"  # arms that no split names
CHOOSE_VERSION = "choose_version"  # as policies name it
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model as this replica serves it: its declaration, what is loaded of it, what policy lets be done with it."""

    spec: ModelSpec
    loaded_versions: LoadedVersions
    policy_check: PolicyCheck


class Decider:
    """Decides questions of one model by the split in force; everything runs on one event loop."""

    def __init__(
        self,
        model: ServedModel,
        log: Log,
        counts: Counts,
        shadows: Shadows,
        loop: asyncio.AbstractEventLoop,
        clock: Clock = SYSTEM_CLOCK,
        unit: Callable[[str], str] = str,
    ) -> None:
        """`unit` gives what an assignment sticks to: the subject as the log names it."""
        spec = model.spec
        self._model = spec.name
        self._policy_check = model.policy_check
        self._actions = Actions(spec.decision, model.policy_check)
        self._records = DecisionRecorder(spec.name, log)
        self._denials = Denials(self._records, log, counts, clock.now, unit)
        self._loaded_versions = model.loaded_versions
        self._log = log
        self._counts = counts
        self._shadows = shadows
        self._loop = loop
        self._now = clock.now
        self._ticks = clock.ticks
        self._unit = unit
        self._idempotency = Idempotency()
        self._most_rows = spec.serving.max_batch_rows
        self.admission = Admission(spec.slo.latency_p99_ms / 1000.0, spec.serving.max_waiting_rows)
        self.body_queue = BodyQueue(loop)  # for endpoints, before they read a body
        self._request_queue = RequestQueue(self._answer, self._most_rows, self.admission, loop, clock.ticks)
        self._explaining = Explaining(spec, loop, self._explained)
        self._failing: dict[int, int] = {}  # version → revision of the split under which its failure was logged

    async def decide(
        self,
        questions: Sequence[Question],
        arrived: float,
        override: int | None = None,
        deadline: float | None = None,
        block: Rows | None = None,
        caller: Principal = ANYBODY,
    ) -> list[Answer]:
        """All answers or an error; `arrived` and `deadline` in seconds of the monotonic clock.

        `override` is a version that an owner wants, and policy has to let it. `block` float32[n, F] spares encoding
        when an endpoint has it: the questions' rows as the served spec's `Encoder` encodes them. Drops questions whose
        client disconnected, unless they carry an id: then the caller may come again for the answer. Ids are the
        caller's own.
        Raises Denied (policy does not allow it for one of the questions, which is on record), Unavailable, Overloaded,
        Expired (not decided before its deadline), NotFound (no such version loaded) or Conflict (an id used twice).
        """
        if self._loaded_versions.in_force is None:
            raise Unavailable(f"{self._model} has no version in force yet: try again in a few seconds")
        if override is not None:
            self._policy_check.demand(caller, CHOOSE_VERSION)
            if override not in self._loaded_versions.loaded:
                raise self._not_loaded(override)
        bases = self._policy_check.bases(caller, questions)
        for each in bases:
            if not each.verdict.allowed:
                await self._denials.refuse(questions, bases, self._loaded_versions.in_force)
        if len(questions) == 1 and questions[0].request_id is None:
            alone = Pending(questions, bases, arrived, override, deadline, block, self._loop.create_future())
            self._request_queue.take((alone,), arrived, deadline)
            return await alone.answer
        return await self._decide_in_parts(questions, bases, arrived, override, deadline, block)

    async def _decide_in_parts(
        self,
        questions: Sequence[Question],
        bases: Sequence[PolicyContext],
        arrived: float,
        override: int | None,
        deadline: float | None,
        block: Rows | None,
    ) -> list[Answer]:
        fresh: list[Pending] = []
        answers: list[tuple[asyncio.Future[list[Answer]], bool]] = []
        try:
            for part in parts(questions, self._most_rows):
                first = questions[part.start]
                keyed = first.request_id is not None
                asker = bases[part.start].caller.name
                known = self._idempotency.find(first, override, asker) if keyed else None
                if known is None:
                    known = self._loop.create_future()
                    rows = None if block is None else block[part]
                    pending = Pending(questions[part], bases[part], arrived, override, deadline, rows, known)
                    fresh.append(pending)
                    if keyed:
                        self._idempotency.open(first, override, asker, known)
                answers.append((known, keyed))
            if fresh:
                self._request_queue.take(fresh, arrived, deadline)
        except BaseException:  # whoever sends one of their ids again may not wait for an answer that nobody makes
            for pending in fresh:
                pending.answer.cancel()
            raise
        if len(answers) == 1 and not answers[0][1]:
            return await answers[0][0]
        try:
            # A caller that goes away must not take the answer from whoever sends the same id again.
            found = [await (asyncio.shield(answer) if keyed else answer) for answer, keyed in answers]
        except BaseException:  # the caller is gone, or has its error: the other parts are of no use to it
            for answer, keyed in answers:
                if not keyed:
                    answer.cancel()
            raise
        return [answer for part in found for answer in part]

    def demand_ready(self) -> None:
        """Raise Unavailable while every question would be refused: no version or policy set in force, or no log."""
        self._log.demand_writable()
        if self._loaded_versions.in_force is None:
            trouble = self._loaded_versions.report().trouble
            raise Unavailable(f"No version of {self._model} is in force yet{': ' if trouble else ''}{trouble}")
        self._policy_check.demand_open()

    def forget(self, erased: Callable[[str], bool]) -> None:
        """Keep no answer about a subject that was erased; who asks again is decided about again."""
        self._idempotency.forget(erased)

    async def drain(self) -> None:
        """Return when every row that waits is answered or failed."""
        await self._request_queue.drain()

    def _answer(self, batch: list[Pending]) -> None:
        """Route and score one micro-batch; the split that is in force now holds for all of it."""
        in_force = self._loaded_versions.in_force
        if in_force is None:
            error = Unavailable(f"{self._model} has no version in force: try again in a few seconds")
            self._request_queue.finished(sum(pending.fail_all(error) for pending in batch))
            return
        router, unit = in_force.router, self._unit
        groups: dict[tuple[str, int], list[Row]] = {}
        for pending in self._request_queue.wanted(batch):
            override = pending.override
            for place, question in enumerate(pending.questions):
                try:
                    bucket = router.bucket(unit(question.subject))
                    if override is None:
                        arm = router.pick(bucket)
                        key = (arm.name, arm.version)
                    else:
                        key = (OVERRIDE, override)
                except Exception as error:  # of this row: the others of the batch are decided
                    logger.exception("A row could not be routed")
                    self._request_queue.fail([Row(pending, place, question, 0)], error)
                else:
                    groups.setdefault(key, []).append(Row(pending, place, question, bucket))
        for (name, version), rows in groups.items():
            try:
                self._score(in_force, name, version, rows)
            except Exception as error:  # of this arm: the others of the batch are decided
                logger.exception("%d rows were not decided", len(rows))
                self._request_queue.fail(rows, error)

    def _score(self, in_force: InForce, arm: str, version: int, rows: list[Row]) -> None:
        loaded = in_force.versions.get(version) or self._loaded_versions.loaded.get(version)
        if loaded is None:  # asked for by an owner, and let go a moment ago
            self._request_queue.fail(rows, self._not_loaded(version))
            return
        try:
            encoded, scores = loaded.score([row.question.row for row in rows], block(rows))
        except Exception as error:  # noqa: BLE001  logged there, and another version answers
            self._fall_back(in_force, arm, version, rows, error)
            return
        taken = self._actions.rule(rows, scores.tolist())
        scored = Scored(in_force, arm, loaded, rows, encoded, scores, taken)
        blocked = [place for place, each in enumerate(taken) if not (each.verdict.allowed or each.verdict.refer)]
        if blocked:
            refused, others = scored.only(blocked), sorted(set(range(len(rows))).difference(blocked))
            scored = scored.only(others) if others else scored
            self._denials.block(refused, self._request_queue.finished)
            if not others:
                return
        self._explaining.take(scored)

    def _explained(self, scored: Scored, explanations: Explanations | None, error: BaseException | None) -> None:
        try:
            if error is None:
                self._log_and_answer(scored, explanations)
            else:
                self._fall_back(scored.in_force, scored.arm, scored.loaded.number, scored.rows, error)
        except Exception as unforeseen:  # nobody above knows these rows: a thread may have told of them
            logger.exception("%d rows were not decided", len(scored.rows))
            self._request_queue.fail(scored.rows, unforeseen)

    def _fall_back(self, in_force: InForce, arm: str, version: int, rows: list[Row], error: BaseException) -> None:
        """Count the failure and let the champion answer, unless it failed itself or an owner wanted this version."""
        revision = in_force.split.revision
        self._counts.error(ArmKey(revision, version, arm), len(rows))
        if self._failing.get(version) != revision:  # said once; the counts say how often
            self._failing[version] = revision
            logger.warning("Arm %s of split %d: %s", arm, revision, error, exc_info=error)
        champion = in_force.fallback(version) if arm not in (OVERRIDE, FALLBACK) else None
        if champion is None:
            self._request_queue.fail(rows, error)
        else:
            self._score(in_force, FALLBACK, champion, rows)

    def _log_and_answer(self, scored: Scored, explanations: Explanations | None = None) -> None:
        """Append every decision of the group and commit in the same step; answers go out when the log has them."""
        at = self._now()
        try:
            answers = self._records.decided(scored, explanations or (UNEXPLAINED,) * len(scored.rows), at)
            alone = self.admission.is_alone and self.admission.rows == len(scored.rows)  # no other group of the batch
            committed = self._log.commit(alone=alone)
            self._request_queue.hold()
        except WindvaneError as error:
            self._request_queue.fail(scored.rows, error)
            return
        if committed.done():
            self._committed(scored, answers, at, committed.exception())
        else:
            committed.add_done_callback(lambda done: self._committed(scored, answers, at, done.exception()))

    def _committed(self, scored: Scored, answers: list[Answer], at: float, error: BaseException | None) -> None:
        """The log has the group, or refused it: nothing is answered that is not logged."""
        self._request_queue.release()
        if error is not None:
            self._request_queue.fail(scored.rows, error)
            return
        try:
            over = [row.pending.give(row.place, answer) for row, answer in zip(scored.rows, answers, strict=True)]
        except Exception as unforeseen:
            logger.exception("%d decisions are logged and were not answered", len(scored.rows))
            self._request_queue.fail(scored.rows, unforeseen)
            return
        self._request_queue.finished(sum(over))
        self._loop.call_soon(self._count, scored, answers, at, self._ticks())

    def _count(self, scored: Scored, answers: list[Answer], at: float, replied: float) -> None:
        """Off the path: the replies are on their way."""
        split, version, rows = scored.in_force.split, scored.loaded.number, scored.rows
        try:
            self._counts.add(
                ArmKey(split.revision, version, scored.arm),
                scored.encoded,
                scored.scores,
                [at if (known := row.question.event_time) is None else known for row in rows],
                [answer.action for answer in answers],
                [1000.0 * (replied - row.pending.arrived) for row in rows],
            )
        except Exception:  # their shadows score them all the same
            logger.exception("%d decisions were answered and not counted", len(rows))
        if split.shadows:
            ids = [answer.decision_id for answer in answers]
            self._shadows.offer(Answered(scored.in_force, version, ids, [row.question.row for row in rows]))

    def _not_loaded(self, version: int) -> NotFound:
        loaded = ", ".join(map(str, sorted(self._loaded_versions.loaded)))
        return NotFound(f"Version {version} of {self._model} is not loaded here; loaded are {loaded}")
