"""A replica in simulated seconds: one core and one event loop, behind HAProxy's queue or without it.

Each turn of the loop lets in or refuses what has come, reads it, one large body a turn, and scores one batch.
"""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.admission.limiters import Kind, Limiter
from windvane.serve_apps.pipeline.admission import REFUSAL_WORK, REQUEST_WORK

PACE = 5.2e-6  # seconds of CPU per unit of work: one row takes 88 us
BATCH = 64  # rows that are scored in one turn, and from which on one body is read a turn
FRONT_MOST, FRONT_SHARE = 40, 0.25  # requests that HAProxy lets in; share of the SLO that others wait there
SLOWED = (0.4, 0.7)  # shares of a run between which other processes take half of the core


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests: `kinds`, of which the last comes with that share."""

    name: str
    kinds: tuple[Kind, ...]
    seconds: float  # of one run
    last_share: float = 0.0

    @property
    def request_seconds(self) -> float:
        """CPU of a request, on average."""
        first, last = self.kinds[0].rows, self.kinds[-1].rows
        return PACE * (REQUEST_WORK + first + (last - first) * self.last_share)


@dataclass(slots=True)
class Asked:
    """One request."""

    at: float
    kind: Kind
    entered: float = 0.0
    predicted: float = 0.0


@dataclass(slots=True)
class Replica:
    """One core and one event loop; all times in seconds."""

    workload: Workload
    is_slowed: bool
    has_front: bool
    rng: random.Random
    now: float = 0.0
    cpu: float = 0.0
    inside: int = 0
    answers: list[tuple[float, float, Kind]] = field(default_factory=list)  # when, after how long, to what

    def run(self, limiter: Limiter, load: float) -> None:
        """Answer what is offered at `load` times what the replica can, until the time is over."""
        arrivals, outside, small, large, queue = self._arrivals(load), *(deque[Asked]() for _ in range(4))
        following = next(arrivals)
        while self.now < self.workload.seconds:
            if not (outside or small or large or queue):
                self.now = max(self.now, following.at)
            while following.at <= self.now:
                outside.append(following)
                following = next(arrivals)
            for asked in self._let_through(outside):
                predicted = limiter.enter(asked.kind, self.now - asked.at)
                if predicted is None:
                    self._work(REFUSAL_WORK)
                    self.inside -= 1
                    continue
                asked.entered, asked.predicted = self.now, predicted
                (large if asked.kind.rows >= BATCH else small).append(asked)
            for asked in [*small, *([large.popleft()] if large else [])]:
                self._work(REQUEST_WORK)
                if limiter.admit(asked.kind, self.now - asked.at):
                    queue.append(asked)
                else:
                    self.inside -= 1
            small.clear()
            self._score(limiter, queue)

    def _let_through(self, outside: deque[Asked]) -> list[Asked]:
        """Requests that reach the replica; HAProxy answers 503 to those that waited too long for a place."""
        most = len(outside)
        if self.has_front:
            while outside and self.now - outside[0].at > FRONT_SHARE * self.workload.kinds[0].slo:
                outside.popleft()
            most = min(len(outside), FRONT_MOST - self.inside)
        self.inside += most
        return [outside.popleft() for _ in range(most)]

    def _score(self, limiter: Limiter, queue: deque[Asked]) -> None:
        batch, rows = list[Asked](), 0
        while queue and (not batch or rows + queue[0].kind.rows <= BATCH):
            batch.append(queue.popleft())
            rows += batch[-1].kind.rows
        self._work(rows)
        self.inside -= len(batch)
        for asked in batch:
            limiter.leave(asked.kind, asked.predicted, self.now - asked.entered)
            self.answers.append((self.now, self.now - asked.at, asked.kind))

    def _work(self, units: float) -> None:
        seconds = units * PACE * self.rng.uniform(0.5, 1.5)
        first, last = (share * self.workload.seconds for share in SLOWED)
        self.cpu += seconds
        self.now += seconds * (2.0 if self.is_slowed and first <= self.now < last else 1.0)

    def _arrivals(self, load: float) -> Iterator[Asked]:
        at, first, last = 0.0, self.workload.kinds[0], self.workload.kinds[-1]
        while True:
            at += self.rng.expovariate(load / self.workload.request_seconds)
            yield Asked(at, last if self.rng.random() < self.workload.last_share else first)
