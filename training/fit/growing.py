"""Starts and grows boosters: first trees that say what a logistic regression says, then trees that improve on it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windvane.training.fit.linear import Linear, fit_linear
from windvane.training.fit.settings import FIXED, FitSettings
from windvane.training.fit.unseen_categories import with_unknowns
from windvane.training.fit.xgboost_import import xgboost
from windvane.training.rows.examples import Examples

STEPS_DEPTH = 7  # of a tree that stands for one feature's straight line: 128 steps
NEGLIGIBLE = 1e-2  # share of the whole margin's spread below which a feature gets no such tree

# One leaf is the mean of what its rows should get, whatever is set for the trees that follow.
_PLAIN: dict[str, str | int | float] = {
    "max_depth": STEPS_DEPTH,
    "eta": 1.0,
    "min_child_weight": 0.0,
    "reg_lambda": 0.0,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
}


Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Start:
    """Begin of a booster: a model file in memory, or nothing."""

    model: bytes | None
    trees: int

    def booster(
        self, settings: FitSettings, seed: int, threads: int, matrices: list[xgboost.DMatrix]
    ) -> xgboost.Booster:
        """A booster to grow, whose first trees are these."""
        parameters = settings.booster_parameters(seed, threads)
        model = None if self.model is None else bytearray(self.model)
        return xgboost.Booster(parameters, matrices, model)


NOTHING = Start(None, 0)


@dataclass(frozen=True, slots=True)
class Lines:
    """A logistic regression and the features whose straight lines get a tree, the same on every worker of a fit."""

    linear: Linear
    told: tuple[int, ...]


def lines_of(settings: FitSettings, examples: Examples) -> Lines | None:
    """Lines that boosters of these settings begin with on these rows; None is nothing."""
    if settings.start == "none":
        return None
    linear = fit_linear(examples.rows, examples.labels, examples.categories)
    terms = linear.terms(examples.rows)
    least = NEGLIGIBLE * max(float(terms.sum(axis=1).std()), 1e-6)
    return Lines(linear, tuple(np.flatnonzero(terms.std(axis=0) > least).tolist()))


def begin(lines: Lines | None, matrix: xgboost.DMatrix, rows: Rows, seed: int, threads: int) -> Start:
    """One tree a feature, each the linear term of that feature in 128 steps; `matrix` holds the same rows."""
    if lines is None or not lines.told:
        return NOTHING
    chance = 1.0 / (1.0 + np.exp(-lines.linear.intercept))
    first = {**FIXED, **_PLAIN, "base_score": min(max(chance, 1e-6), 1 - 1e-6), "seed": seed, "nthread": threads}
    booster = xgboost.Booster(first, [matrix])
    terms = lines.linear.terms(rows)
    said = 1.0 / (1.0 + np.exp(-np.clip(lines.linear.intercept + terms.sum(axis=1), -30, 30)))
    weights = said * (1.0 - said)  # as boosting weighs rows: covers mean the same in all trees
    for number, feature in enumerate(lines.told):
        slope = -(weights * terms[:, feature]).astype(np.float32)
        booster.boost(matrix, number, grad=slope, hess=weights.astype(np.float32))
    return Start(bytes(booster.save_raw("ubj")), len(lines.told))


def grown(settings: FitSettings, examples: Examples, seed: int, threads: int) -> xgboost.Booster:
    """A booster of all its rounds on these rows."""
    taught = with_unknowns(examples)
    return grow(settings, lines_of(settings, taught), matrix_of(taught), taught.rows, seed, threads)


def grow(
    settings: FitSettings, lines: Lines | None, learn: xgboost.DMatrix, rows: Rows, seed: int, threads: int
) -> xgboost.Booster:
    """The same where lines are known; it has one tree at least, since a model of none cannot be served."""
    begun = begin(lines, learn, rows, seed, threads)
    booster = begun.booster(settings, seed, threads, [learn])
    for number in range(begun.trees, begun.trees + max(settings.rounds, 0 if begun.trees else 1)):
        booster.update(learn, number)
    return booster


def matrix_of(examples: Examples, threads: int = 1) -> xgboost.QuantileDMatrix:
    """The rows in xgboost's own form, binned once."""
    labels = examples.labels.astype(np.float32)
    kinds = kinds_of(examples.rows.shape[1], examples.categories)
    return xgboost.QuantileDMatrix(examples.rows, labels, nthread=threads, **kinds)


def kinds_of(width: int, categories: Collection[int]) -> dict[str, Any]:
    """Arguments of xgboost's matrices for columns that hold codes."""
    if not categories:
        return {}
    return {
        "feature_types": ["c" if place in categories else "float" for place in range(width)],
        "enable_categorical": True,
    }
