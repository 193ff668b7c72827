"""Rows between their arrival and their answer: whole requests where they fit a batch, else parts of them."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from windvane.cluster.encoding import Rows
from windvane.cluster.policies.policy import PolicyDecision
from windvane.serve_apps.pipeline.policy_check import PolicyContext
from windvane.serve_apps.protocol.question import Answer, Question
from windvane.serve_apps.traffic.loaded_versions import InForce
from windvane.serve_apps.versions.loaded_version import LoadedVersion
from windvane.serve_apps.versions.predictor import Scores


class Pending:
    """Rows of one request that are decided in one batch, and the future that gets all of their answers at once."""

    __slots__ = ("_answers", "_left", "answer", "arrived", "bases", "block", "deadline", "override", "questions")

    def __init__(
        self,
        questions: Sequence[Question],
        bases: Sequence[PolicyContext],
        arrived: float,
        override: int | None,
        deadline: float | None,
        block: Rows | None,
        answer: "asyncio.Future[list[Answer]]",
    ) -> None:
        self.questions = questions
        self.bases = bases  # of each question
        self.arrived = arrived  # seconds of the monotonic clock, as is the deadline
        self.override = override
        self.deadline = deadline
        self.block = block  # float32[n, F] when the endpoint had the rows encoded
        self.answer = answer
        self._left = len(questions)
        self._answers: list[Answer | BaseException | None] = [None] * self._left

    def __len__(self) -> int:
        return len(self.questions)

    def give(self, place: int, answer: Answer) -> bool:
        """The answer to one row, unless it is over already; the last one that comes answers the request."""
        answers = self._answers
        if answers[place] is not None:
            return False
        answers[place] = answer
        self._left -= 1
        if not self._left and not self.answer.done():  # its caller may have gone away
            self.answer.set_result(answers)  # type: ignore[arg-type]  # with an error among them it is done
        return True

    def fail(self, place: int, error: BaseException) -> bool:
        """One row's error is the request's, unless the row is over already."""
        if self._answers[place] is not None:
            return False
        self._answers[place] = error
        self._left -= 1
        self._refuse(error)
        return True

    def fail_all(self, error: BaseException) -> int:
        """Fail every row that is not over yet; returns how many that were."""
        left, self._left = self._left, 0
        self._answers = [error if each is None else each for each in self._answers]
        self._refuse(error)
        return left

    def _refuse(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # seen, also when the error of another part is raised first


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row of a batch: whose it is, and the unit's place in [0, 2**32)."""

    pending: Pending
    place: int
    question: Question
    bucket: int


class ActionTaken(msgspec.Struct, frozen=True, gc=False):
    """The action about one row, its reasons, and the policy's verdict on it."""

    proposed: str  # the action that the score leads to
    action: str
    reasons: tuple[str, ...]
    verdict: PolicyDecision


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of one batch that one version scored for one arm: float32[n, F] encoded, float64[n] scores, and actions."""

    in_force: InForce
    arm: str
    loaded: LoadedVersion
    rows: list[Row]
    encoded: Rows
    scores: Scores
    taken: list[ActionTaken]

    def only(self, places: Sequence[int]) -> "Scored":
        """The rows that stand at these places."""
        chosen = list(places)
        rows = [self.rows[place] for place in chosen]
        taken = [self.taken[place] for place in chosen]
        return replace(self, rows=rows, encoded=self.encoded[chosen], scores=self.scores[chosen], taken=taken)


def block(rows: list[Row]) -> Rows | None:
    """The rows as endpoints encoded them, float32[n, F]; None unless every one was."""
    first = rows[0].pending
    if rows[-1].pending is first and len(rows) == len(first):  # a large request, a batch by itself
        return first.block
    encoded = [row.pending.block[row.place] for row in rows if row.pending.block is not None]
    return np.stack(encoded) if len(encoded) == len(rows) else None


def parts(questions: Sequence[Question], largest: int) -> Iterator[slice]:
    """Take a request apart: at most `largest` rows each, and a row with an idempotency key by itself.

    >>> plain, keyed = Question("a", ()), Question("b", (), request_id="k")
    >>> [(part.start, part.stop) for part in parts([plain, plain, plain, keyed, plain], 2)]
    [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    start = 0
    for place, question in enumerate(questions):
        keyed = question.request_id is not None
        if place > start and (keyed or place - start == largest):
            yield slice(start, place)
            start = place
        if keyed:
            yield slice(place, place + 1)
            start = place + 1
    if start < len(questions):
        yield slice(start, len(questions))
