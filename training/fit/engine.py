"""Port to what searches and fits; the job reads the same whether it runs on a cluster or in a test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Protocol

from windvane.configs.schema import Training
from windvane.training.fit.settings import FitSettings
from windvane.training.fit.xgboost_import import xgboost
from windvane.training.rows.examples import Examples


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting tried and how well it did on the newest slice that the search may see."""

    settings: FitSettings
    log_loss: float
    by_block: tuple[float, ...] = ()  # the same in blocks of time of that slice, oldest first


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Trials of the search, best first; `best` is the default when no trial reported within the budget."""

    best: FitSettings
    trials: tuple[Trial, ...]
    planned: int = 0  # settings that were to be tried
    why_fewer: str = ""  # where not all were


@dataclass(frozen=True, slots=True)
class Fitted:
    """Two boosters of the same settings: what the judged one achieves, the served one, which knows more, should too."""

    judged: xgboost.Booster  # learnt nothing of the held-out slice
    served: xgboost.Booster  # learnt from every row


# Standard errors. Of five settings that are as good as the first, the luckiest is ahead by 1.16 on average.
LIKELY, SURELY = 1.5, 2.0


@dataclass(frozen=True, slots=True)
class Work:
    """Settings of an engine's work, its folder, and who is told."""

    training: Training
    scratch: Path | None = None  # for what a cluster's workers exchange; an engine that needs one says so
    say: Callable[[str], None] = lambda _: None


class Engine(Protocol):
    """Searches settings and fits boosters."""

    def search(self, learn: Examples, check: Examples, work: Work) -> SearchResult:
        """The best settings for `learn`, compared on the newer `check`, within `training.tune_budget`."""

    def fit(self, judged: Examples, served: Examples, settings: FitSettings, work: Work) -> Fitted:
        """A booster from each of both sets of rows."""


def conclude(trials: Sequence[Trial], default: FitSettings) -> SearchResult:
    """The best of the trials, given in the order they were tried; all of them best first.

    The first, which suits most tables, is left for one that is likely better, not for one that chance favours; and all
    rows for a window of recent ones only where that is surely better.
    """
    ranked = sorted(trials, key=lambda trial: trial.log_loss)
    if not ranked:
        return SearchResult(default, ())
    best = next(trial for trial in ranked if trial is trials[0] or better(trial, trials[0], LIKELY))
    full = next((trial for trial in ranked if trial.settings.window is None), None)
    if full is not None and best.settings.window is not None and not better(best, full, SURELY):
        first = next((trial for trial in trials if trial.settings.window is None), full)
        best = full if full is first or better(full, first, LIKELY) else first
    return SearchResult(best.settings, tuple(ranked))


def better(one: Trial, other: Trial, errors: float) -> bool:
    """Whether one trial's loss is lower by more than so many standard errors of the difference over blocks of time.

    Days differ more than settings do: a window that happens to fit one fortnight is no reason to forget the rest.

    >>> even, bad = Trial(FitSettings(), 0.50, (0.5, 0.5, 0.5)), Trial(FitSettings(), 0.51, (0.4, 0.5, 0.63))
    >>> better(even, bad, SURELY)
    False
    >>> better(even, Trial(FitSettings(), 0.51, (0.50, 0.51, 0.52)), SURELY)
    False
    >>> better(even, Trial(FitSettings(), 0.51, (0.509, 0.51, 0.511)), SURELY)
    True
    """
    if len(one.by_block) != len(other.by_block) or len(one.by_block) < 2:
        return False
    gains = [theirs - ours for ours, theirs in zip(one.by_block, other.by_block, strict=True)]
    return fmean(gains) > errors * stdev(gains) / sqrt(len(gains))
