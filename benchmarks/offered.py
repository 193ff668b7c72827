"""Tally of requests that were offered, counted in place: half an hour takes no more memory than a second."""

import math

import msgspec

FIRST_MS, GROWTH = 0.05, 1.02  # edges of the latency histogram: 2 % wide, from 50 µs
BINS = 1 + math.ceil(math.log(600_000.0 / FIRST_MS, GROWTH))


class Latencies(msgspec.Struct):
    """A histogram; a quantile is the upper edge of its bin, so at most 2 % too high.

    >>> seen = Latencies()
    >>> for ms in (1.0, 2.0, 3.0, 4.0): seen.add(ms)
    >>> 2.0 <= seen.quantile(0.5) <= 2.04 and 4.0 <= seen.quantile(0.99) <= 4.08
    True
    """

    counts: dict[int, int] = {}

    def add(self, milliseconds: float) -> None:
        """One more."""
        place = math.ceil(math.log(max(milliseconds, FIRST_MS) / FIRST_MS, GROWTH))
        place = min(place, BINS)
        self.counts[place] = self.counts.get(place, 0) + 1

    @property
    def n(self) -> int:
        """Number of latencies."""
        return sum(self.counts.values())

    def quantile(self, share: float) -> float:
        """Milliseconds; NaN when there are none."""
        left = math.ceil(share * self.n)
        for place in sorted(self.counts):
            left -= self.counts[place]
            if left <= 0:
                return FIRST_MS * float(GROWTH**place)
        return math.nan

    def merge(self, other: "Latencies") -> None:
        """Add another's."""
        for place, n in other.counts.items():
            self.counts[place] = self.counts.get(place, 0) + n


class Tally(msgspec.Struct):
    """Tally of the requests that were answered in one period, and how punctual this process was itself."""

    seconds: float
    statuses: dict[int, int] = {}  # 0 is a connection that broke before its answer
    without_retry_after: int = 0  # refusals (429, 503) that do not say when to come again
    waiting: int = 0  # requests that were due and unanswered at the end of the period
    answered: Latencies = msgspec.field(default_factory=Latencies)  # status 200, from the moment they were due
    refused: Latencies = msgspec.field(default_factory=Latencies)  # 429 and 503
    written: Latencies = msgspec.field(default_factory=Latencies)  # due → handed to the socket: our own tardiness

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.statuses.get(200, 0) / self.seconds

    def merge(self, other: "Tally") -> None:
        """Add the period that follows."""
        self.seconds += other.seconds
        for status, n in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + n
        self.without_retry_after += other.without_retry_after
        self.waiting = other.waiting
        for mine, more in (
            (self.answered, other.answered),
            (self.refused, other.refused),
            (self.written, other.written),
        ):
            mine.merge(more)
