"""The settings a search tries, in their order: what suits most tables first, then others, then draws."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from windvane.configs.schema import Training
from windvane.training.fit.settings import FitSettings, windows_of
from windvane.training.rows.examples import Examples

LEAST_CHILD_WEIGHT = 0.1
MOST_CHILD_WEIGHT = 100.0
CHILD_SHARE = 0.003  # of all rows' hessian, n·p(1−p), that a leaf needs by default
DEPTHS = (1, 2, 3, 4, 6)
CHILD_SHARES = (0.0005, 0.003, 0.01)
SUBSAMPLES = (0.6, 0.8, 1.0)
COLUMN_SAMPLES = (0.4, 0.7, 1.0)
LAMBDAS = (1.0, 5.0, 20.0)

# Different enough that what one lacks another has: curves, boxes of several features, straight lines alone,
# interactions, no straight lines, and trees that each see a part of many features.
PORTFOLIO: tuple[FitSettings, ...] = (
    FitSettings(),
    FitSettings(start="none", max_depth=6, reg_lambda=1.0),
    FitSettings(max_depth=1),
    FitSettings(max_depth=4, reg_lambda=1.0),
    FitSettings(start="none", colsample_bytree=0.7),
    FitSettings(max_depth=6, colsample_bytree=0.7),
)


def default_settings(learn: Examples, training: Training) -> FitSettings:
    """Settings that are fitted when nothing is searched."""
    rounds = min(FitSettings().rounds, training.max_rounds)
    return replace(FitSettings(), rounds=rounds, min_child_weight=child_weight(learn, CHILD_SHARE))


def points(learn: Examples, training: Training) -> list[FitSettings]:
    """`training.trials` settings for these rows, the same for the same seed; every window is tried with the first."""
    windows = windows_of(training.windows, float(learn.times[-1] - learn.times[0]))
    tried = [replace(PORTFOLIO[0], window=window) for window in windows] + list(PORTFOLIO[1:])
    sized = [replace(each, min_child_weight=child_weight(learn, CHILD_SHARE)) for each in tried]
    rng = np.random.default_rng(training.seed)
    drawn = [_drawn(rng, learn, windows) for _ in range(max(0, training.trials - len(sized)))]
    return [*sized, *drawn][: max(training.trials, len(windows))]


def child_weight(learn: Examples, share: float) -> float:
    """The least hessian of a leaf: a share of all rows', whatever their number and the label's rate.

    A leaf of rare outcomes has little: at 1 true row in 300, weight 60 would take 20,000 rows.
    """
    rate = float(learn.labels.mean())
    return round(min(MOST_CHILD_WEIGHT, max(LEAST_CHILD_WEIGHT, share * len(learn) * rate * (1 - rate))), 3)


def _drawn(rng: np.random.Generator, learn: Examples, windows: Sequence[timedelta | None]) -> FitSettings:
    return FitSettings(
        start="none" if rng.random() < 0.3 else "linear",
        max_depth=int(rng.choice(DEPTHS)),
        min_child_weight=child_weight(learn, float(rng.choice(CHILD_SHARES))),
        subsample=float(rng.choice(SUBSAMPLES)),
        colsample_bytree=float(rng.choice(COLUMN_SAMPLES)),
        reg_lambda=float(rng.choice(LAMBDAS)),
        window=windows[int(rng.integers(len(windows)))],
    )
