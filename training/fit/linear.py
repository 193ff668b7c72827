"""Logistic regression as a start: the straight part of a relation, which trees alone would need many rows to learn."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RIDGE = 1.0  # penalty of a standardised column's squared weight, halved
TAIL = 0.025  # share of a number's values at either end where its line is flat: few rows tell how it goes on there
CLIPPED = 5.0  # standard deviations at which it is flat where the ends so found are one value
LEAST_ROWS = 10  # of a category that gets a weight of its own
MOST_COLUMNS = 500
MOST_WORK = 4e8  # multiplications of one Newton step, which bounds the rows it is fitted on
MOST_ROWS = 50_000
STEPS = 25

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DesignColumn:
    """One column of the design: a feature's number, that it is missing, or that it is one category."""

    feature: int
    shift: float
    scale: float
    category: float | None = None  # the code it stands for; NaN stands for missing
    low: float = -np.inf  # of a number, the ends of the straight line
    high: float = np.inf

    def values(self, rows: Rows) -> Floats:
        """float[n] of float32[n, F] rows."""
        column = rows[:, self.feature].astype(np.float64)
        if self.category is None:
            standard = (np.clip(column, self.low, self.high) - self.shift) / self.scale
            return np.where(np.isnan(column), 0.0, standard)
        hit = np.isnan(column) if np.isnan(self.category) else column == self.category
        values: Floats = (hit - self.shift) / self.scale
        return values


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted logistic regression, feature by feature."""

    intercept: float  # log-odds of a row of average values
    columns: tuple[DesignColumn, ...]
    weights: tuple[float, ...]

    def terms(self, rows: Rows) -> Floats:
        """float[n, F]: what each feature adds to the log-odds."""
        terms = np.zeros(rows.shape)
        for column, weight in zip(self.columns, self.weights, strict=True):
            terms[:, column.feature] += weight * column.values(rows)
        return terms


def fit_linear(rows: Rows, labels: NDArray[np.bool_], categories: Collection[int]) -> Linear:
    """The ridge-penalised fit to float32[n, F] rows of both outcomes; `categories` are the places of codes.

    Beyond 50,000 rows, fewer where columns are many, it learns from a part: of the rarer outcome all it can.
    """
    columns = _columns(rows, categories)
    kept, weights = _part(labels, len(columns))
    design = np.column_stack([np.ones(len(kept)), *(column.values(rows[kept]) for column in columns)])
    fitted = _newton(design, labels[kept].astype(np.float64), weights)
    return Linear(float(fitted[0]), columns, tuple(fitted[1:].tolist()))


def _columns(rows: Rows, categories: Collection[int]) -> tuple[DesignColumn, ...]:
    found: list[tuple[float, DesignColumn]] = []  # with how much of the rows it tells apart
    for place in range(rows.shape[1]):
        values = rows[:, place]
        codes: list[float] = []
        if place in categories:
            kinds, counts = np.unique(values, return_counts=True)
            codes = [
                float(kind) for kind, count in zip(kinds, counts, strict=True) if LEAST_ROWS <= count < len(values)
            ]
        else:
            missing = np.isnan(values)
            present = values[~missing].astype(np.float64)
            if 0 < len(present) < len(values):
                codes = [float("nan")]
            if len(present) and present.min() < present.max():
                low, high = _ends(present)
                inner = np.clip(present, low, high)
                found.append((1.0, DesignColumn(place, float(inner.mean()), float(inner.std()), None, low, high)))
        for code in codes:
            share = float((np.isnan(values) if np.isnan(code) else values == code).mean())
            spread = float(np.sqrt(share * (1 - share)))
            found.append((spread, DesignColumn(place, share, 1.0 if place in categories else spread, code)))
    found.sort(key=lambda each: -each[0])
    return tuple(column for _, column in found[:MOST_COLUMNS])


def _ends(present: Floats) -> tuple[float, float]:
    """Between which values a line is straight; all of it lies within what was learnt from."""
    low, high = np.quantile(present, [TAIL, 1.0 - TAIL])
    if low == high:  # nearly all rows have one value, and the others are what tells
        reach = CLIPPED * present.std()
        low, high = max(present.min(), present.mean() - reach), min(present.max(), present.mean() + reach)
    return float(low), float(high)


def _part(labels: NDArray[np.bool_], columns: int) -> tuple[NDArray[np.intp], Floats]:
    """Places of the rows to learn from, and float[m] for how many each stands; rows in between are left out evenly."""
    most = min(MOST_ROWS, max(2000, int(MOST_WORK / (columns + 1) ** 2)))
    places, weights = [], []
    true, false = np.flatnonzero(labels), np.flatnonzero(~labels)
    for own, other in ((true, false), (false, true)):
        taken = own if len(own) + len(other) <= most else own[_evenly(len(own), max(most // 2, most - len(other)))]
        places.append(taken)
        weights.append(np.full(len(taken), len(own) / len(taken)))
    return np.concatenate(places), np.concatenate(weights)


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.int64)


def _newton(design: Floats, labels: Floats, weights: Floats) -> Floats:
    """float[1 + k] weights; every step is halved until the penalised loss falls."""
    penalty = np.full(design.shape[1], RIDGE)
    penalty[0] = 1e-9
    share = float(labels @ weights / weights.sum())
    found = np.zeros(design.shape[1])
    found[0] = np.log(share / (1 - share))

    def loss(at: Floats) -> float:
        margin = design @ at
        return float(weights @ (np.logaddexp(0.0, margin) - labels * margin) + 0.5 * (penalty * at) @ at)

    now = loss(found)
    for _ in range(STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ found, -40, 40)))
        slope = design.T @ (weights * (chance - labels)) + penalty * found
        bend = (design * (weights * chance * (1 - chance))[:, None]).T @ design
        bend[np.diag_indices_from(bend)] += penalty + 1e-9
        step = np.linalg.solve(bend, slope)
        size = 1.0
        while (then := loss(found - size * step)) > now and size > 1e-4:
            size /= 2
        if then > now:
            break
        found, gained, now = found - size * step, now - then, then
        if gained < 1e-8 * weights.sum():
            break
    return found
