"""Does the champion really lose on the newest labels, or is what was found harmless?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from windvane.configs.schema import Monitor
from windvane.monitoring.counts.labelled_windows import LabelledSpan
from windvane.monitoring.findings import Finding
from windvane.monitoring.statistics.performance import Performance

_Z = 1.96  # two-sided 95 %


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answer, its figures in a sentence, and the 95 % intervals of both changes where they could be computed."""

    verdict: Literal["loses", "harmless", "not_enough_labels"]
    sentence: str
    why: str  # the sentence without the breaches that led to it
    n: int
    auc_drop: tuple[float, float, float] | None = None  # low, value, high
    brier_rise: tuple[float, float, float] | None = None


def assess(
    findings: Sequence[Finding],
    span: LabelledSpan | None,
    reference: Performance,
    limits: Monitor,
    min_labels: int,
) -> Assessment:
    """The champion loses when its AUC fell or its Brier score rose by more than the limit, and not by chance alone.

    By chance means that the 95 % interval of the change holds zero: Hanley and McNeil's standard error for the AUC,
    the normal one for the Brier score, both for the newest labels and for the reference.
    """
    seen = f"{len(findings)} breach{'es' if len(findings) != 1 else ''}"
    if findings:
        seen += f" (worst: {findings[0].sentence()})"
    if span is None:
        why = f"fewer than {min_labels} labels of complete windows"
        return Assessment("not_enough_labels", f"{seen}, but {why}", why, 0)
    now = span.performance
    drop = _auc_drop(now, reference)
    error = math.hypot(now.brier_standard_error(), reference.brier_standard_error())
    rise = _interval(now.brier - reference.brier, error)
    losing = [
        name
        for name, change, limit in (("AUC", drop, limits.auc_drop), ("Brier score", rise, limits.brier_rise))
        if change is not None and limit is not None and change[1] > limit and change[0] > 0.0
    ]
    figures = f"{_auc_words(now, reference, drop)}Brier {now.brier:.4f} against {reference.brier:.4f} ({_words(rise)})"
    where = f"on {now.n} labels of {_day(span.start)} to {_day(span.end)}"
    why = f"champion loses by {' and '.join(losing)}" if losing else "harmless"
    why += f" {where}: {figures}"
    return Assessment("loses" if losing else "harmless", f"{seen}; {why}", why, now.n, drop, rise)


def _auc_drop(now: Performance, reference: Performance) -> tuple[float, float, float] | None:
    errors = now.auc_standard_error(), reference.auc_standard_error()
    if now.auc is None or reference.auc is None or errors[0] is None or errors[1] is None:
        return None
    return _interval(reference.auc - now.auc, math.hypot(errors[0], errors[1]))


def _interval(value: float, error: float) -> tuple[float, float, float]:
    return value - _Z * error, value, value + _Z * error


def _auc_words(now: Performance, reference: Performance, drop: tuple[float, float, float] | None) -> str:
    if drop is None:
        return "AUC not known with one class of labels, "
    low, value, high = drop
    return f"AUC {now.auc:.3f} against {reference.auc:.3f} ({_words((-high, -value, -low))}), "


def _words(change: tuple[float, float, float]) -> str:
    low, value, high = (each + 0.0 for each in change)  # no minus zero
    return f"{value:+.3f}, 95 % {low:+.3f} to {high:+.3f}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
