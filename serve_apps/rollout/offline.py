"""Takes up what training proved of a candidate, where outcomes take longer than the whole rollout."""

from dataclasses import dataclass

from windvane.cluster.registry import Version

COVERED = 1.96  # standard errors in half of a 95 % interval
FIRST_LOOK = 100  # rows before a loss can be decided: the bounds are asymptotic
SURE = 3.3  # standard errors of one look: rows of a day hang together, so more than the 2.3 of 1 %


@dataclass(frozen=True, slots=True)
class Offline:
    """The Brier score of the version less its champion's, on the newest rows, which neither had learnt from."""

    champion: int
    n: int
    mean: float
    error: float  # standard error, from stretches of time resampled
    windows: int = 0  # of the model's monitor that those rows span
    between_windows: float = 0.0  # variance of a window's mean difference beyond that of its single rows

    @property
    def is_sure(self) -> bool:
        """Whether the version is surely better, on enough rows to say so."""
        return self.n >= FIRST_LOOK and self.at_worst < 0.0

    @property
    def is_surely_worse(self) -> bool:
        """Whether the version is surely worse, on enough rows to say so."""
        return self.n >= FIRST_LOOK and self.mean - SURE * self.error > 0.0

    @property
    def at_worst(self) -> float:
        """Upper bound of the true difference."""
        return self.mean + SURE * self.error


def offline_of(version: Version) -> Offline | None:
    """The comparison on record; None where the version faced no champion."""
    figures = version.metrics
    names = ("difference_brier", "difference_brier_low", "difference_brier_high", "held_out_rows")
    if version.parent is None or any(name not in figures for name in names):
        return None
    mean, low, high, rows = (figures[name] for name in names)
    windows, between = (figures.get(f"difference_brier_{name}", 0.0) for name in ("windows", "between_windows"))
    return Offline(version.parent, round(rows), mean, (high - low) / (2.0 * COVERED), round(windows), between)
