"""How many decisions and outcomes come in a day, and how late outcomes are; over the newest ones, so at any scale."""

from collections import deque
from collections.abc import Iterable

import numpy as np

from configs.sized_plan import Traffic

NEWEST = 1000  # decisions, and outcomes, that are looked at: minutes of a busy model, days of a quiet one
LEAST = 10  # of them, before anything is said
LATE_SHARE = 0.9  # of outcomes that have come within the delay


class TrafficMeter:
    """Remembers when the newest decisions were answered and when outcomes came; times are Unix seconds of the log."""

    def __init__(self) -> None:
        self._decided: deque[float] = deque(maxlen=NEWEST)
        self._told: deque[tuple[float, float]] = deque(maxlen=NEWEST)

    def add(self, decided: Iterable[float], told: Iterable[tuple[float, float]]) -> None:
        """Take in when decisions were answered, and of outcomes when their decision was and when they came."""
        self._decided.extend(decided)
        self._told.extend(told)

    def measured(self) -> Traffic:
        """The figures, to two digits, so that they do not change at every look.

        Labels are counted by when their decisions were answered: a file of them every night is a day's, not a second's.
        """
        delays = [came - answered for answered, came in self._told]
        late = float(np.quantile(delays, LATE_SHARE)) if len(delays) >= LEAST else None
        return Traffic(
            _per_day(self._decided),
            _per_day([answered for answered, _ in self._told]),
            None if late is None else _two_digits(max(late, 0.0)),
        )


def _per_day(moments: Iterable[float]) -> float | None:
    known = list(moments)
    span = max(known) - min(known) if len(known) >= LEAST else 0.0
    return _two_digits((len(known) - 1) / span * 86_400.0) if span > 0.0 else None


def _two_digits(figure: float) -> float:
    return float(f"{figure:.2g}")
