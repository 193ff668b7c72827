"""Labelled scores by window of event time, the newest kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from windvane.monitoring.counts.snapshot import WindowPerformance
from windvane.monitoring.statistics.performance import LabelledScores, Performance

KEPT_WINDOWS = 400  # per version, newest


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    """A version's performance over its newest labelled windows together; times are Unix seconds of event time."""

    version: int
    start: float
    end: float
    performance: Performance


def columns(rows: list[tuple[float, bool]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Rows of score and label as float64[n] and bool[n]."""
    scores, labels = zip(*rows, strict=True)
    return np.array(scores, np.float64), np.array(labels, np.bool_)


def count_labelled(
    windows: dict[int, LabelledScores], window: int, scores: NDArray[np.float64], labels: NDArray[np.bool_]
) -> None:
    """Count float64[n] scores with their bool[n] labels in a window; the oldest window makes room."""
    windows.setdefault(window, LabelledScores()).add(scores, labels)
    if len(windows) > KEPT_WINDOWS:
        del windows[min(windows)]


def performances(
    series: Iterable[tuple[int | None, Mapping[int, LabelledScores]]], window_seconds: float
) -> tuple[WindowPerformance, ...]:
    """Every window's performance of each (version, its windows), oldest first; version None is what was answered."""
    found: list[WindowPerformance] = []
    for version, windows in series:
        for window, scores in sorted(windows.items()):
            if (seen := scores.performance()) is not None:
                start, end = window * window_seconds, (window + 1) * window_seconds
                found.append(WindowPerformance(version, start, end, seen.n, seen.auc, seen.brier, seen.log_loss))
    return tuple(found)
