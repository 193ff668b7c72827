"""Compares a candidate with the champion on the same newest labelled rows, with intervals, and rules on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from configs.schema import DecisionRule

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.bool_]
Metric: TypeAlias = Callable[[Floats], Floats]  # float[b, n] row weights → float[b]
Draws: TypeAlias = Callable[[int, int], Floats]

BLOCKS = 100  # delays come in bursts: stretches of time are resampled, not single rows
CALIBRATION_BINS = 10
COVERAGE = 0.95
_CHUNK = 4_000_000  # weights held in memory at once
LOWER_IS_BETTER = ("log_loss", "brier", "calibration_error", "cost")
METRICS = ("auc", *LOWER_IS_BETTER)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidate and champion on the same rows; `differences` are candidate minus champion, resampled together."""

    n: int
    positives: int
    candidate: Mapping[str, Estimate]
    champion: Mapping[str, Estimate] | None
    differences: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the offline gate says of a candidate, and why."""

    standing: Literal["champion", "candidate", "rejected"]
    why: str


def compare(
    labels: Labels, candidate: Floats, champion: Floats | None, decision: DecisionRule, resamples: int, seed: int
) -> Comparison:
    """Every metric of bool[n] labels and float[n] scores in time order, and of their paired differences."""
    draw = _draws(len(labels), resamples, seed)
    n, positives = len(labels), int(labels.sum())
    ours, ours_drawn = _measure(_metrics(labels, candidate, decision), n, draw)
    estimates = {name: _interval(ours[name], ours_drawn[name]) for name in METRICS}
    if champion is None:
        return Comparison(n, positives, estimates, None, {})
    theirs, theirs_drawn = _measure(_metrics(labels, champion, decision), n, draw)
    return Comparison(
        n,
        positives,
        estimates,
        {name: _interval(theirs[name], theirs_drawn[name]) for name in METRICS},
        {name: _interval(ours[name] - theirs[name], ours_drawn[name] - theirs_drawn[name]) for name in METRICS},
    )


def rule(comparison: Comparison, margin: float) -> Ruling:
    """Rejected when the log loss is worse by more than `margin` and the interval leaves no doubt that it is worse.

    Doubt passes: the rollout proves the candidate on real traffic, and an unproven loss is no reason to stay behind.
    """
    if comparison.champion is None:
        return Ruling(
            "champion", f"the first version: log loss {comparison.candidate['log_loss']} on {comparison.n} rows"
        )
    loss = comparison.differences["log_loss"]
    facts = (
        f"log loss {loss.value:+.4f} [{loss.low:+.4f}, {loss.high:+.4f}] against the champion on {comparison.n} rows"
    )
    if loss.value > margin and loss.low > 0.0:
        return Ruling("rejected", f"{facts}: worse beyond the margin of {margin:g}")
    return Ruling("candidate", f"{facts}: not surely worse than the margin of {margin:g}")


def auc(labels: Labels, scores: Floats) -> float:
    """P(a positive scores above a negative), ties count half; nan without both.

    >>> auc(np.array([True, False, False]), np.array([0.5, 0.5, 0.4]))
    0.75
    """
    return float(_auc(labels, scores)(np.ones((1, len(labels))))[0])


def actions_of(scores: Floats, decision: DecisionRule) -> tuple[list[str], NDArray[np.intp]]:
    """The actions by rising threshold, and int[n], which of them each score leads to."""
    actions = sorted(decision.actions, key=lambda action: action.at_least)
    chosen = np.searchsorted([action.at_least for action in actions], scores, side="right") - 1
    return [action.name for action in actions], chosen


def decision_costs(labels: Labels, scores: Floats, decision: DecisionRule) -> Floats:
    """float[n]: what the action that each score leads to costs, given the truth."""
    names, chosen = actions_of(scores, decision)
    actions = {action.name: action for action in decision.actions}
    if_true = np.array([actions[name].cost_if_true for name in names])[chosen]
    if_false = np.array([actions[name].cost_if_false for name in names])[chosen]
    return np.where(labels, if_true, if_false)


def _metrics(labels: Labels, scores: Floats, decision: DecisionRule) -> dict[str, Metric]:
    """Every metric of these labels and scores."""
    scores = np.asarray(scores, np.float64)
    chance = np.clip(scores, 1e-7, 1 - 1e-7)
    log_loss = -np.log(np.where(labels, chance, 1 - chance))
    squared = (scores - labels) ** 2
    costs = decision_costs(labels, scores, decision)
    return {
        "auc": _auc(labels, scores),
        "log_loss": lambda weights: weights @ log_loss / weights.sum(axis=1),
        "brier": lambda weights: weights @ squared / weights.sum(axis=1),
        "calibration_error": _calibration_error(labels, scores),
        "cost": lambda weights: weights @ costs / weights.sum(axis=1),
    }


def _auc(labels: Labels, scores: Floats) -> Metric:
    """P(a positive scores above a negative), ties count half (Mann-Whitney)."""
    order = np.argsort(scores, kind="stable")
    positive = labels[order].astype(np.float64)
    starts = np.flatnonzero(np.concatenate(([True], np.diff(scores[order]) > 0)))

    def metric(weights: Floats) -> Floats:
        sorted_weights = weights[:, order]
        positives = np.add.reduceat(sorted_weights * positive, starts, axis=1)
        negatives = np.add.reduceat(sorted_weights * (1 - positive), starts, axis=1)
        below = np.cumsum(negatives, axis=1) - 0.5 * negatives
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        with np.errstate(invalid="ignore"):
            area: Floats = (positives * below).sum(axis=1) / pairs
        return area

    return metric


def _calibration_error(labels: Labels, scores: Floats) -> Metric:
    """Expected calibration error over equal-width bins."""
    bins = np.minimum((scores * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gap = (labels - scores)[:, None] * (bins[:, None] == np.arange(CALIBRATION_BINS))
    return lambda weights: np.abs(weights @ gap).sum(axis=1) / weights.sum(axis=1)


def _draws(n: int, resamples: int, seed: int) -> Draws:
    """Row weights of resamples `start` to `stop`: how often each row's stretch of time was drawn."""
    blocks = min(BLOCKS, n)
    drawn = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
    block_of_row = np.arange(n) * blocks // n
    return lambda start, stop: drawn[start:stop, block_of_row].astype(np.float64)


def _measure(metrics: Mapping[str, Metric], n: int, draw: Draws) -> tuple[dict[str, float], dict[str, Floats]]:
    """Every metric on the rows as they are, and float[resamples] of it."""
    as_they_are = np.ones((1, n))
    point = {name: float(metric(as_they_are)[0]) for name, metric in metrics.items()}
    drawn: dict[str, list[Floats]] = {name: [] for name in metrics}
    start, step = 0, max(1, _CHUNK // n)
    while len(weights := draw(start, start + step)):
        for name, metric in metrics.items():
            drawn[name].append(metric(weights))
        start += step
    return point, {name: np.concatenate(parts) for name, parts in drawn.items()}


def _interval(value: float, drawn: Floats) -> Estimate:
    """The middle 95 % of the resamples; those without both outcomes have no AUC and are left out."""
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) == 0:
        return Estimate(value, float("-inf"), float("inf"))
    low, high = np.quantile(drawn, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Estimate(value, float(low), float(high))
