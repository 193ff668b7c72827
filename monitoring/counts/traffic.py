"""Measures decisions and outcomes a day, and how late outcomes are; over the newest ones, so at any scale."""

from collections import deque
from collections.abc import Iterable

import numpy as np

from windvane.configs.sized_plan import Traffic

NEWEST = 1000  # decisions, and outcomes, that are looked at: minutes of a busy model, days of a quiet one
LEAST = 10  # of them, before anything is said
LATE_SHARE = 0.9  # of outcomes that have come within the delay
LEAST_OF_CLASS = 30  # outcomes of a class before its delay says anything
KNOWN_SHARE = 0.95  # of a class's outcomes that have to be in, where one class is known later than the other
UNEVEN = 1.5  # times later, from which on it matters
STEPS = 100  # in which the moment moves before which both are known: a hundredth of the later class's delay each


class TrafficMeter:
    """Remembers when the newest decisions were answered and when outcomes came; times are Unix seconds of the log."""

    def __init__(self) -> None:
        self._decided: deque[float] = deque(maxlen=NEWEST)
        self._told: deque[tuple[float, float]] = deque(maxlen=NEWEST)
        self._delays: tuple[deque[float], deque[float]] = (deque(maxlen=NEWEST), deque(maxlen=NEWEST))  # by label

    def add(self, decided: Iterable[float], told: Iterable[tuple[float, float, bool]]) -> None:
        """Take in when decisions were answered, and of outcomes when their decision was, when they came, and which."""
        self._decided.extend(decided)
        for answered, came, label in told:
            self._told.append((answered, came))
            self._delays[label].append(came - answered)

    def both_known_before(self) -> float | None:
        """The Unix second before which decisions have their outcome, whichever it is; None where both come alike.

        Where a default is known in days and a good loan in months, the outcomes of the newest decisions are all bad.
        """
        if not self._decided or any(len(delays) < LEAST_OF_CLASS for delays in self._delays):
            return None
        early, late = sorted(float(np.quantile(delays, KNOWN_SHARE)) for delays in self._delays)
        if late <= 0.0 or late <= UNEVEN * early:
            return None
        step = late / STEPS
        return float(np.floor((max(self._decided) - late) / step)) * step

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
