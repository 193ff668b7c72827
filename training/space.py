"""The settings a search tries, in their order: the hand-set default first, then draws around it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from configs.schema import Training
from training.examples import Examples
from training.settings import FitSettings, windows_of

DEPTHS = (3, 4, 5, 6)
ETAS = (0.04, 0.06, 0.1)
CHILD_WEIGHTS = (20.0, 60.0, 150.0, 400.0)
SUBSAMPLES = (0.6, 0.8, 1.0)
COLUMN_SAMPLES = (0.4, 0.7, 1.0)
LAMBDAS = (1.0, 5.0, 20.0)


def default_settings(training: Training) -> FitSettings:
    """What is fitted when nothing is searched."""
    return replace(FitSettings(), rounds=min(FitSettings().rounds, training.max_rounds))


def points(learn: Examples, training: Training) -> list[FitSettings]:
    """`training.trials` settings for these rows, the same for the same seed."""
    windows = windows_of(training.windows, float(learn.times[-1] - learn.times[0]))
    first = replace(default_settings(training), window=windows[0])
    rng = np.random.default_rng(training.seed)
    return [first, *(_drawn(rng, windows) for _ in range(training.trials - 1))]


def _drawn(rng: np.random.Generator, windows: Sequence[timedelta | None]) -> FitSettings:
    return FitSettings(
        max_depth=int(rng.choice(DEPTHS)),
        eta=float(rng.choice(ETAS)),
        min_child_weight=float(rng.choice(CHILD_WEIGHTS)),
        subsample=float(rng.choice(SUBSAMPLES)),
        colsample_bytree=float(rng.choice(COLUMN_SAMPLES)),
        reg_lambda=float(rng.choice(LAMBDAS)),
        window=windows[int(rng.integers(len(windows)))],
    )
