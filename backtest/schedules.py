"""Costs of blind schedules on the same history, and the best schedule that hindsight can find."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from windvane.backtest.history import History
from windvane.configs.schema import ModelSpec
from windvane.training.fit.growing import grown
from windvane.training.fit.growth import log_losses
from windvane.training.rows.examples import Examples
from windvane.training.search.space import default_settings

DAY = 86_400.0
MOST_ROWS = 200_000  # a baseline learns from; more are thinned evenly
Losses = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Schedules:
    """float64[m] log loss of every row from the start on, under each schedule."""

    never: Losses
    recent: Losses  # retrained every period on the last one
    everything: Losses  # retrained every period on all there is
    hindsight: Losses
    trainings: tuple[tuple[float, str], ...]  # hindsight's: event time and `all`, `recent`, or `since` the change


def schedules(
    spec: ModelSpec,
    history: History,
    start: float,
    period: float = 30 * DAY,
    step: float = 10 * DAY,
    cost: float = 0.0,
    change: float | None = None,
) -> Schedules:
    """Every schedule answers from `start` on, with models made as the loop's are but without a search.

    Hindsight picks times on a grid of `step` seconds and rows (all, the last period, or those since a known `change`)
    by dynamic programming; a training costs `cost` in log loss summed over rows.
    """
    first = int(np.searchsorted(history.times, start))
    end = float(history.times[-1]) + 1.0
    cuts = [start + k * step for k in range(max(1, int(np.ceil((end - start) / step))))]
    edges = [*(int(np.searchsorted(history.times, cut)) for cut in cuts), len(history)]
    fitted = _Fits(spec, history, start, period, change)
    per_row = {
        (kind, k): fitted.losses(kind, cut, edges[k]) for k, cut in enumerate(cuts) for kind in fitted.kinds(cut)
    }
    every = max(1, round(period / step))
    hindsight, trainings = _best(per_row, edges, cuts, cost)
    n = len(history) - first
    return Schedules(
        never=_pieces(per_row, edges, [(0, "all")], n),
        recent=_pieces(per_row, edges, [(k, "recent" if k else "all") for k in range(0, len(cuts), every)], n),
        everything=_pieces(per_row, edges, [(k, "all") for k in range(0, len(cuts), every)], n),
        hindsight=hindsight,
        trainings=trainings,
    )


class _Fits:
    def __init__(self, spec: ModelSpec, history: History, start: float, period: float, change: float | None) -> None:
        self._spec, self._history, self._start, self._period, self._change = spec, history, start, period, change

    def kinds(self, cut: float) -> list[str]:
        kinds = ["all"]
        if cut > self._start:
            kinds.append("recent")
            if self._change is not None and cut > self._change:
                kinds.append("since")
        return kinds

    def losses(self, kind: str, cut: float, first: int) -> Losses:
        """float64[n − first] losses of a model made at `cut` on all rows from then on."""
        known = self._history.learnable(cut, cut)
        part = {
            "all": lambda: known,
            "recent": lambda: known.since(cut - self._period),
            "since": lambda: known.since(self._change or cut),
        }[kind]()
        rows, labels = self._history.rows[first:], self._history.labels[first:]
        if len(part) < 100 or part.labels.all() or not part.labels.any():
            return np.full(len(rows), np.inf) if kind != "recent" else self.losses("all", cut, first)
        return log_losses(_fit(self._spec, part)(rows), labels)


def _fit(spec: ModelSpec, part: Examples) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    step = -(-len(part) // MOST_ROWS)
    part = part if step == 1 else part.take(np.arange(len(part)) % step == 0)
    booster = grown(default_settings(part, spec.training), part, spec.training.seed, threads=1)
    return lambda rows: np.asarray(booster.inplace_predict(rows), np.float64)


def _pieces(per_row: dict[tuple[str, int], Losses], edges: list[int], plan: list[tuple[int, str]], n: int) -> Losses:
    """Each model of the plan answers until the next one."""
    found = np.empty(n)
    base = edges[0]
    for place, (k, kind) in enumerate(plan):
        stop = edges[plan[place + 1][0]] if place + 1 < len(plan) else edges[-1]
        found[edges[k] - base : stop - base] = per_row[kind, k][: stop - edges[k]]
    return found


def _best(
    per_row: dict[tuple[str, int], Losses], edges: list[int], cuts: list[float], cost: float
) -> tuple[Losses, tuple[tuple[float, str], ...]]:
    """best[e] is the least loss of the steps before e; a model answers until the next training."""
    steps = len(cuts)
    summed = {key: np.concatenate(([0.0], np.cumsum(losses))) for key, losses in per_row.items()}
    best, how = [0.0] + [np.inf] * steps, [(0, "all")] * (steps + 1)
    for e in range(1, steps + 1):
        for k in range(e):
            for kind in ("all", "recent", "since"):
                if (kind, k) not in summed or (k == 0 and kind != "all"):
                    continue
                loss = best[k] + float(summed[kind, k][edges[e] - edges[k]]) + (cost if k else 0.0)
                if loss < best[e]:
                    best[e], how[e] = loss, (k, kind)
    plan: list[tuple[int, str]] = []
    e = steps
    while e:
        plan.append(how[e])
        e = how[e][0]
    plan.reverse()
    return _pieces(per_row, edges, plan, edges[-1] - edges[0]), tuple((cuts[k], kind) for k, kind in plan)
