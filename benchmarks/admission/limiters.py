"""Admission to a replica: everybody, as many as AIMD says, or whom our admission predicts to be answered in time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from windvane.cluster.errors import Unavailable
from windvane.serve_apps.pipeline.admission import Admission

LATE = 0.25  # share of the SLO from which an answer tells AIMD that too many are inside: the best of ¼, ½, 0.8 and 1


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests that are alike; an answer after `slo` seconds is late."""

    rows: int
    slo: float


class Limiter(Protocol):
    """Says who comes in; `waited` are seconds since a request was sent."""

    def enter(self, kind: Kind, waited: float, /) -> float | None:
        """Time that the answer is predicted to take; None when it is refused."""

    def admit(self, kind: Kind, waited: float, /) -> bool:
        """Tells whether it is still taken, now that it was read."""

    def leave(self, kind: Kind, predicted: float, took: float, /) -> None:
        """It was answered."""


class Open:
    """Takes everybody."""

    def enter(self, _: Kind, __: float, /) -> float | None:
        """Take it."""
        return 0.0

    def admit(self, _: Kind, __: float, /) -> bool:
        """Take it."""
        return True

    def leave(self, _: Kind, __: float, ___: float, /) -> None:
        """Learn nothing from it."""


class Aimd(Open):
    """Additive increase, multiplicative decrease of how many may be inside: `AIMDLimit` of concurrency-limits."""

    FIRST, BACKOFF = 10, 0.9  # as there

    def __init__(self) -> None:
        self.limit, self.inside = self.FIRST, 0

    def enter(self, _: Kind, __: float, /) -> float | None:
        """Take it below the limit."""
        if self.inside >= self.limit:
            return None
        self.inside += 1
        return 0.0

    def leave(self, kind: Kind, _: float, took: float, /) -> None:
        """A tenth fewer may come in where it was late, one more where it was not and the limit is used."""
        if took > LATE * kind.slo:
            self.limit = max(1, int(self.limit * self.BACKOFF))
        elif 2 * self.inside >= self.limit:
            self.limit += 1
        self.inside -= 1


class Windvane:
    """`Admission`, as ingress and queue ask it."""

    def __init__(self, usual: float, cpu_seconds: Callable[[], float]) -> None:
        """`usual` is the model's SLO in seconds: a kind with another one says so in a header."""
        self._usual = usual
        self._admission = Admission(usual, 100_000, cpu_seconds)

    def enter(self, kind: Kind, waited: float, /) -> float | None:
        """Predict, and compare with what is left."""
        left = self._admission.left(waited) if kind.slo == self._usual else kind.slo - waited
        try:
            return self._admission.enter(left)
        except Unavailable:
            return None

    def admit(self, kind: Kind, waited: float, /) -> bool:
        """Predict once more with the real number of rows."""
        deadline = None if kind.slo == self._usual else kind.slo
        try:
            self._admission.admit(kind.rows, 0.0, waited, deadline)
        except Unavailable:
            self._admission.leave()
            return False
        return True

    def leave(self, kind: Kind, predicted: float, took: float, /) -> None:
        """Learn from what was answered."""
        self._admission.finished(kind.rows)
        self._admission.leave(predicted, took)
