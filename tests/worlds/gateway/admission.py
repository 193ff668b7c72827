"""Admissions with a pace of their own, and how much they let in."""

from collections.abc import Callable

import pytest

from windvane.cluster.errors import Overloaded
from windvane.serve_apps.pipeline.admission import Admission

PATIENCE = 0.05


class Cpu:
    """CPU seconds of this process, set by hand."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def make(most_rows: int = 4096, cpu: Cpu | None = None) -> Admission:
    return Admission(PATIENCE, most_rows, cpu or Cpu())


def paced(seconds_per_work: float, most_rows: int = 1_000_000) -> Admission:
    """An admission that has measured this pace for so long that nothing else is left of it."""
    cpu = Cpu()
    admission = make(most_rows, cpu)
    for _ in range(200):
        admission.admit(rows=984, arrived=0.0, now=0.0)
        cpu.seconds += 1000 * seconds_per_work
        admission.finished(rows=984)
    assert admission.pace == pytest.approx(seconds_per_work, rel=1e-2)
    return admission


def until_refused(ask: Callable[[], object]) -> int:
    """Number of grants before the first refusal."""
    for granted in range(100_000):
        try:
            ask()
        except Overloaded:
            return granted
    raise AssertionError("it was never refused")


def enter_until_refused(admission: Admission) -> int:
    """Requests that are let in before it first refuses one."""

    def come() -> None:
        admission.enter()

    return until_refused(come)
