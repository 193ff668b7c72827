"""A sequential change detector with a promise: the expected time to a false alarm is at least the one asked for.

The mixture e-SR procedure of Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change
detection", NEJSDS 2024 (arXiv 2203.03532): for standardised observations z whose conditional mean is at most zero,
L = exp(λ z − ψ(λ)) has a mean of at most one, M ← L (M + 1) is an e-detector, and so is a mixture over λ; alarming at
M ≥ A keeps the expected run length at A or more. ψ is Bernstein's bound λ²/2 / (1 − c λ / 3) for a mean whose single
terms move it by c standard errors at most, so that a handful of rare events is not taken for a normal variable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

LAMBDAS = (0.25, 0.5, 1.0, 2.0)  # equally weighted: from shifts of a quarter of a standard error to large ones
MOST = 5.0  # standard errors one observation can count: a single one is never enough for an alarm
_LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Detector:
    """Memory between two observations of one stream."""

    sums: tuple[float, ...] = (0.0,) * len(LAMBDAS)  # one M for each λ
    cusum: float = 0.0
    began: int | None = None  # window since which the cumulative sum has been above zero: where a change began
    windows: int = 0  # since then
    rows: int = 0  # labels since then
    positives: int = 0  # of them

    @property
    def evidence(self) -> float:
        """The mixture's e-detector; an alarm at A or more is false once in A observations at most."""
        return sum(self.sums) / len(self.sums)


def observe(before: Detector, z: float, step: float, window: int, rows: int, positives: int = 0) -> Detector:
    """The detector after one more observation of so many rows; one row moves z by `step` at most.

    >>> after = observe(observe(Detector(), 9.0, 0.01, 1, 600, 200), 9.0, 0.01, 2, 600, 100)
    >>> after.began, after.windows, after.rows, after.positives, after.evidence > 1e6
    (1, 2, 1200, 300, True)
    >>> observe(Detector(), 9.0, 0.01, 1, 600).evidence < 1000
    True
    """
    z = min(z, MOST)
    sums = tuple(_grown(m, rate, z, step) for rate, m in zip(LAMBDAS, before.sums, strict=True))
    cusum = max(0.0, before.cusum + z - 0.5)
    if cusum == 0.0:
        return Detector(sums)
    if before.began is None:
        return Detector(sums, cusum, window, 1, rows, positives)
    return Detector(sums, cusum, before.began, before.windows + 1, before.rows + rows, before.positives + positives)


def run_length(zs: Sequence[float], threshold: float, step: float = 0.0) -> int | None:
    """Number of observations until the alarm; None when there is none."""
    state = Detector()
    for place, z in enumerate(zs):
        state = observe(state, z, step, place, 1)
        if state.evidence >= threshold:
            return place + 1
    return None


def _grown(m: float, rate: float, z: float, step: float) -> float:
    slack = 1.0 - step * rate / 3.0
    if slack <= 0.0:
        return 0.0  # no bound holds for this λ: it gives no evidence
    return min(exp(rate * z - 0.5 * rate * rate / slack) * (m + 1.0), _LARGEST)
