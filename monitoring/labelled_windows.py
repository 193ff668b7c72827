"""Labelled scores by window of event time, the newest kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.performance import LabelledScores, Performance

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
