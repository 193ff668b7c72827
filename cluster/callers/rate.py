"""Limits how fast one caller may ask: a token bucket per caller, kept as the moment at which it is full again."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from windvane.cluster.errors import TooFast

MOST_KEPT = 65_536  # callers with a bucket that is not full


@dataclass(frozen=True, slots=True)
class Limit:
    """`per_second` is what runs into the bucket, `burst` what it holds."""

    per_second: float  # > 0
    burst: int  # >= 1

    def share(self, replicas: int) -> "Limit":
        """Limit of one of several replicas, each seeing an equal part of the requests."""
        return self if replicas < 2 else Limit(self.per_second / replicas, max(1, round(self.burst / replicas)))


def take(limit: Limit, full_at: float, now: float) -> tuple[float, float]:
    """Takes a token if it can; returns when the bucket is full again, and seconds to wait: 0 when it is taken.

    `full_at` is a time on the clock of `now`, in seconds; a bucket never used is full at any moment before. With the
    time a token takes to run in as its unit this is the virtual scheduling algorithm of ITU-T I.371 (GCRA).

    >>> limit = Limit(per_second=2.0, burst=2)
    >>> take(limit, 0.0, 100.0), take(limit, 100.5, 100.0), take(limit, 101.0, 100.0)
    ((100.5, 0.0), (101.0, 0.0), (101.0, 0.5))
    """
    missing = max(0.0, full_at - now)
    room = (limit.burst - 1) / limit.per_second
    if missing > room + 1e-9:  # a sum of thirds is not a whole
        return full_at, missing - room
    return now + missing + 1 / limit.per_second, 0.0


class Rates:
    """One replica's buckets, by caller; what a restart forgets is one burst."""

    def __init__(self, now: Callable[[], float], most_kept: int = MOST_KEPT) -> None:
        """`now` may not run backwards."""
        self._now = now
        self._most_kept = most_kept
        self._full_at: dict[str, float] = {}
        self.replicas = 1  # that share the callers' requests

    def charge(self, caller: str, limit: Limit) -> None:
        """Take one out of the caller's bucket; raises TooFast, which takes nothing."""
        now = self._now()
        full_at, wait = take(limit.share(self.replicas), self._full_at.get(caller, -inf), now)
        if wait > 0:
            raise TooFast(
                f"This caller may send {limit.per_second:g} a second and {limit.burst} at once: "
                f"wait {wait:.3g} seconds, or ask an admin for a key with more",
                wait,
            )
        if len(self._full_at) >= self._most_kept and caller not in self._full_at:
            self._let_go(now)
        self._full_at[caller] = full_at

    def debit(self, caller: str, limit: Limit, count: int) -> None:
        """Take `count` more for what was let in already; what the bucket lacks is waited for by those that follow."""
        full_at = max(self._full_at.get(caller, -inf), self._now())
        self._full_at[caller] = full_at + count / limit.share(self.replicas).per_second

    def _let_go(self, now: float) -> None:
        """Buckets that are full again; were there none, the half that is full soonest."""
        kept = sorted((item for item in self._full_at.items() if item[1] > now), key=lambda item: item[1])
        self._full_at = dict(kept[-(self._most_kept // 2) :])
