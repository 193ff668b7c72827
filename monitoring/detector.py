"""A sequential change detector with a promise: the expected time to a false alarm is at least the one asked for.

The mixture e-SR procedure of Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change
detection", NEJSDS 2024 (arXiv 2203.03532): for standardised observations z whose conditional mean is at most zero,
L = exp(λ z − λ²/2) has a mean of at most one (sub-Gaussian), M ← L (M + 1) is an e-detector, and so is a mixture over
λ; alarming at M ≥ A keeps the expected run length at A or more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

LAMBDAS = (0.25, 0.5, 1.0, 2.0)  # equally weighted: from shifts of a quarter of a standard error to large ones
MOST = 5.0  # standard errors one observation can count: a single one is never enough for an alarm
_LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Detector:
    """What is remembered between two observations of one stream."""

    sums: tuple[float, ...] = (0.0,) * len(LAMBDAS)  # one M for each λ
    cusum: float = 0.0
    began: int | None = None  # window since which the cumulative sum has been above zero: where a change began
    windows: int = 0  # since then
    rows: int = 0  # since then

    @property
    def evidence(self) -> float:
        """The mixture's e-detector; an alarm at A or more is false once in A observations at most."""
        return sum(self.sums) / len(self.sums)


def observe(before: Detector, z: float, window: int, rows: int) -> Detector:
    """The detector after one more observation.

    >>> after = observe(observe(Detector(), 9.0, 1, 600), 9.0, 2, 600)
    >>> after.began, after.windows, after.rows, after.evidence > 1e6
    (1, 2, 1200, True)
    >>> observe(Detector(), 9.0, 1, 600).evidence < 1000
    True
    """
    z = min(z, MOST)
    sums = tuple(
        min(exp(rate * z - rate * rate / 2.0) * (m + 1.0), _LARGEST)
        for rate, m in zip(LAMBDAS, before.sums, strict=True)
    )
    cusum = max(0.0, before.cusum + z - 0.5)
    if cusum == 0.0:
        return Detector(sums)
    if before.began is None:
        return Detector(sums, cusum, window, 1, rows)
    return Detector(sums, cusum, before.began, before.windows + 1, before.rows + rows)


def run_length(zs: Sequence[float], threshold: float) -> int | None:
    """How many observations until the alarm; None when there is none."""
    state = Detector()
    for place, z in enumerate(zs):
        state = observe(state, z, place, 1)
        if state.evidence >= threshold:
            return place + 1
    return None
