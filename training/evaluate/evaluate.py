"""Compares a candidate with the champion on the same newest labelled rows, with intervals, and rules on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from windvane.configs.schema import DecisionRule

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = NDArray[np.int64]
Standing: TypeAlias = Literal["champion", "candidate", "rejected"]
Metric: TypeAlias = Callable[[Floats], Floats]  # float[b, blocks] weights of stretches of time → float[b]

BLOCKS = (10, 100)  # least and most stretches of time that are resampled in place of single rows
CALIBRATION_BINS = 10
COVERAGE = 0.95
LIKELY = 1.2816 / 1.96  # of half a 95 % interval: one in ten that learnt nothing comes so far by chance
_SCORES_AT_ONCE = 4096  # distinct scores whose pairs are counted together
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
class OfflineComparison:
    """Candidate and champion on the same rows; `differences` are candidate minus champion, resampled together."""

    n: int
    positives: int
    candidate: Mapping[str, Estimate]
    champion: Mapping[str, Estimate] | None
    differences: Mapping[str, Estimate]
    constant: float | None = None  # the share of true rows that it learnt from
    over_constant: Estimate | None = None  # log loss of the candidate minus that of saying so to every row
    windows: int = 0  # of the model's monitor that the rows span
    between_windows: float = 0.0  # variance of a window's mean difference in Brier score beyond that of its rows


@dataclass(frozen=True, slots=True)
class OfflineRuling:
    """Result of the offline comparison for a candidate, and why."""

    standing: Standing
    why: str


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How often rows are drawn anew for an interval, and the seed they are drawn from."""

    resamples: int
    seed: int


def compare(
    labels: Labels,
    candidate: Floats,
    champion: Floats | None,
    decision: DecisionRule,
    bootstrap: Bootstrap,
    constant: float | None = None,
    windows: float = BLOCKS[1],
) -> OfflineComparison:
    """Every metric of bool[n] labels and float[n] scores in time order, and of their paired differences.

    Rows of one of the `windows` that they span may share what makes it bad: stretches are no shorter than that. With
    `constant`, the share of true rows among those learnt from, also against saying that to every row.
    """
    n, positives = len(labels), int(labels.sum())
    block = np.arange(n) * min(round(min(max(windows, BLOCKS[0]), BLOCKS[1])), n) // n
    drawn = _drawn(block[-1] + 1, bootstrap.resamples, bootstrap.seed)
    ours, ours_drawn = _measure(_metrics(labels, candidate, block, decision), drawn)
    estimates = {name: _interval(ours[name], ours_drawn[name]) for name in METRICS}
    over = None
    if constant is not None:
        extra = _losses(labels, np.asarray(candidate, np.float64)) - _losses(labels, np.full(n, constant))
        over = _interval(float(extra.mean()), _mean(extra, block)(drawn))
    if champion is None:
        return OfflineComparison(n, positives, estimates, None, {}, constant, over)
    theirs, theirs_drawn = _measure(_metrics(labels, champion, block, decision), drawn)
    return OfflineComparison(
        n,
        positives,
        estimates,
        {name: _interval(theirs[name], theirs_drawn[name]) for name in METRICS},
        {name: _interval(ours[name] - theirs[name], ours_drawn[name] - theirs_drawn[name]) for name in METRICS},
        constant,
        over,
    )


def estimates_of(comparison: OfflineComparison) -> dict[str, float]:
    """Every offline figure with its interval, champion's and difference beside it, and the rows behind them."""
    shown = {"held_out_rows": float(comparison.n)}
    sides = {"": comparison.candidate, "champion_": comparison.champion or {}, "difference_": comparison.differences}
    for side, estimates in sides.items():
        for name, estimate in estimates.items():
            shown |= {f"{side}{name}": estimate.value}
            shown |= {f"{side}{name}_low": estimate.low, f"{side}{name}_high": estimate.high}
    if comparison.windows:
        shown |= {"difference_brier_windows": float(comparison.windows)}
        shown |= {"difference_brier_between_windows": comparison.between_windows}
    return shown


def rule(comparison: OfflineComparison, margin: float) -> OfflineRuling:
    """Rejected when the log loss is worse by more than `margin` and the interval leaves no doubt that it is worse.

    Doubt passes: the rollout proves the candidate on real traffic, and an unproven loss is no reason to stay behind.
    A first version has nothing behind it: it has to be better than saying the same chance to everybody.
    """
    if comparison.champion is None:
        return _rule_first(comparison)
    loss = comparison.differences["log_loss"]
    facts = (
        f"log loss {loss.value:+.4f} [{loss.low:+.4f}, {loss.high:+.4f}] against the champion on {comparison.n} rows"
    )
    if loss.value > margin and loss.low > 0.0:
        return OfflineRuling("rejected", f"{facts}: worse beyond the margin of {margin:g}")
    told = "surely better" if loss.high < 0.0 else f"not surely worse than the margin of {margin:g}"
    return OfflineRuling("candidate", f"{facts}: {told}")


def _rule_first(comparison: OfflineComparison) -> OfflineRuling:
    if comparison.positives in (0, comparison.n):
        only = "true" if comparison.positives else "false"
        return OfflineRuling(
            "rejected",
            f"all {comparison.n} rows held out are {only}, so nothing says how good it is: bring rows of both "
            "outcomes that are as new, hold out a longer span, or register it with --accept",
        )
    loss, gain = comparison.candidate["log_loss"], comparison.over_constant
    if gain is not None and gain.value + LIKELY * (gain.high - gain.low) / 2 >= 0.0:
        return OfflineRuling(
            "rejected",
            f"log loss {loss} on {comparison.n} rows is not surely lower than that of saying {comparison.constant:.3g} "
            f"to every row ({gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]): its features tell too little of "
            "the target, or its rows are too few; register it with --accept if it shall answer all the same",
        )
    return OfflineRuling("champion", f"the first version: log loss {loss} on {comparison.n} rows")


def off_balance(labels: Labels, scores: Floats) -> str | None:
    """Tells the mean score beside what came true, where that is no chance; None where it may be.

    >>> off_balance(np.arange(1000) % 10 == 0, np.full(1000, 0.11))
    >>> off_balance(np.arange(1000) % 10 == 0, np.full(1000, 0.2))
    'it says 0.2 on average of rows of which 0.1 came true'
    """
    said, true = float(scores.mean()), float(labels.mean())
    error = float(np.sqrt(np.sum(scores * (1 - scores)))) / len(labels)
    return (
        f"it says {said:.3g} on average of rows of which {true:.3g} came true" if abs(said - true) > 3 * error else None
    )


def auc(labels: Labels, scores: Floats) -> float:
    """P(a positive scores above a negative), ties count half; nan without both.

    >>> auc(np.array([True, False, False]), np.array([0.5, 0.5, 0.4]))
    0.75
    """
    return float(_auc(labels, np.asarray(scores), np.zeros(len(labels), np.int64))(np.ones((1, 1)))[0])


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


def _metrics(labels: Labels, scores: Floats, block: Places, decision: DecisionRule) -> dict[str, Metric]:
    """Every metric of these labels and scores, whose rows belong to stretches of time int[n] `block`."""
    scores = np.asarray(scores, np.float64)
    return {
        "auc": _auc(labels, scores, block),
        "log_loss": _mean(_losses(labels, scores), block),
        "brier": _mean((scores - labels) ** 2, block),
        "calibration_error": _calibration_error(labels, scores, block),
        "cost": _mean(decision_costs(labels, scores, decision), block),
    }


def _losses(labels: Labels, scores: Floats) -> Floats:
    chance = np.clip(scores, 1e-7, 1 - 1e-7)
    losses: Floats = -np.log(np.where(labels, chance, 1 - chance))
    return losses


def _mean(values: Floats, block: Places) -> Metric:
    sums, counts = np.bincount(block, values), np.bincount(block).astype(np.float64)
    return lambda weights: weights @ sums / (weights @ counts)


def _auc(labels: Labels, scores: Floats, block: Places) -> Metric:
    """P(a positive scores above a negative), ties count half (Mann-Whitney)."""
    above = _pairs(labels, scores, block)
    size = len(above)
    positives, negatives = (np.bincount(block[rows], minlength=size).astype(np.float64) for rows in (labels, ~labels))

    def metric(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            area: Floats = ((weights @ above) * weights).sum(axis=1) / ((weights @ positives) * (weights @ negatives))
        return area

    return metric


def _pairs(labels: Labels, scores: Floats, block: Places) -> Floats:
    """float[blocks, blocks]: pairs of a positive of one block above a negative of another; ties count half.

    Resamples of blocks weigh these; so rows are compared once and not once per resample.
    """
    size = int(block[-1]) + 1
    above = np.zeros((size, size))
    positive_scores, places = np.unique(scores[labels], return_inverse=True)
    negative_scores = scores[~labels]
    left = np.searchsorted(positive_scores, negative_scores, "left")
    gap = left + np.searchsorted(positive_scores, negative_scores, "right")  # 2i: below score i; 2i + 1: equal to it
    by_score, by_gap = np.argsort(places, kind="stable"), np.argsort(gap, kind="stable")
    places, gap = places[by_score], gap[by_gap]
    of_positives, of_negatives = block[labels][by_score], block[~labels][by_gap]
    passed = np.zeros(size)  # negatives of each block below the scores that were looked at
    for start in range(0, len(positive_scores), _SCORES_AT_ONCE):
        stop = min(start + _SCORES_AT_ONCE, len(positive_scores))
        ours = slice(*np.searchsorted(places, [start, stop]))
        theirs = slice(*np.searchsorted(gap, [2 * start, 2 * stop]))
        found = _counts(gap[theirs] - 2 * start, of_negatives[theirs], 2 * (stop - start), size)
        below = passed + np.cumsum(found, axis=0)
        passed = below[-1]
        counted = _counts(places[ours] - start, of_positives[ours], stop - start, size)
        above += counted.T @ (below[0::2] + 0.5 * found[1::2])
    return above


def _counts(rows: Places, columns: Places, height: int, width: int) -> Floats:
    """float[height, width]: how often each place occurs."""
    return np.bincount(rows * width + columns, minlength=height * width).reshape(height, width).astype(np.float64)


def _calibration_error(labels: Labels, scores: Floats, block: Places) -> Metric:
    """Expected calibration error over equal-width bins."""
    bins = np.minimum((scores * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    size = int(block[-1]) + 1
    gaps = np.bincount(block * CALIBRATION_BINS + bins, labels - scores, size * CALIBRATION_BINS)
    gaps, counts = gaps.reshape(size, CALIBRATION_BINS), np.bincount(block).astype(np.float64)
    return lambda weights: np.abs(weights @ gaps).sum(axis=1) / (weights @ counts)


def _drawn(blocks: int, resamples: int, seed: int) -> Floats:
    """float[resamples, blocks]: how often each stretch of time was drawn."""
    return np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples).astype(float)


def _measure(metrics: Mapping[str, Metric], drawn: Floats) -> tuple[dict[str, float], dict[str, Floats]]:
    """Every metric on the rows as they are, and float[resamples] of it."""
    as_they_are = np.ones((1, drawn.shape[1]))
    point = {name: float(metric(as_they_are)[0]) for name, metric in metrics.items()}
    return point, {name: metric(drawn) for name, metric in metrics.items()}


def _interval(value: float, drawn: Floats) -> Estimate:
    """The middle 95 % of the resamples; those without both outcomes have no AUC and are left out."""
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) == 0:
        return Estimate(value, float("-inf"), float("inf"))
    low, high = np.quantile(drawn, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Estimate(value, float(low), float(high))
