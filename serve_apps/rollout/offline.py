"""What training already proved of a candidate, for where outcomes take longer than the whole rollout."""

from dataclasses import dataclass

from cluster.registry import Version

COVERED = 1.96  # standard errors in half of a 95 % interval
SURE = 3.3  # standard errors of one look: rows of a day hang together, so more than the 2.3 of 1 %


@dataclass(frozen=True, slots=True)
class Offline:
    """The Brier score of the version less its champion's, on the newest rows, which neither had learnt from."""

    champion: int
    n: int
    mean: float
    error: float  # standard error, from stretches of time resampled

    @property
    def at_worst(self) -> float:
        """How far above it the truth may lie."""
        return self.mean + SURE * self.error


def offline_of(version: Version) -> Offline | None:
    """The comparison on record; None where the version faced no champion."""
    figures = version.metrics
    names = ("difference_brier", "difference_brier_low", "difference_brier_high", "held_out_rows")
    if version.parent is None or any(name not in figures for name in names):
        return None
    mean, low, high, rows = (figures[name] for name in names)
    return Offline(version.parent, round(rows), mean, (high - low) / (2.0 * COVERED))
