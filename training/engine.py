"""Port to what searches and fits; the job reads the same whether it runs on a cluster or in a test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Protocol

from configs.schema import Training
from training.examples import Examples
from training.light import xgboost
from training.settings import FitSettings


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting tried and how well it did on the newest slice that the search may see."""

    settings: FitSettings
    log_loss: float
    by_block: tuple[float, ...] = ()  # the same in blocks of time of that slice, oldest first


@dataclass(frozen=True, slots=True)
class Search:
    """What the search found, best trial first; `best` is the default when no trial reported within the budget."""

    best: FitSettings
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Two boosters of the same settings: what the judged one achieves, the served one, which knows more, should too."""

    judged: xgboost.Booster  # learnt nothing of the held-out slice
    served: xgboost.Booster  # learnt from every row


class Engine(Protocol):
    """Searches settings and fits boosters."""

    def start(self) -> None:
        """Join the cluster; large data is read on it too, so this comes first."""

    def warm_up(self) -> None:
        """Get ready to search; whatever is slow and needs no rows."""

    def search(
        self, learn: Examples, check: Examples, training: Training, scratch: Path | None, say: Callable[[str], None]
    ) -> Search:
        """The best settings for `learn`, compared on the newer `check`, within `training.tune_budget`.

        `scratch` is a folder for what a cluster's workers exchange; an engine that needs one says so.
        """

    def fit(
        self,
        judged: Examples,
        served: Examples,
        settings: FitSettings,
        training: Training,
        scratch: Path | None,
        say: Callable[[str], None],
    ) -> Fitted:
        """A booster from each of both sets of rows."""


def conclude(trials: Sequence[Trial], default: FitSettings) -> Search:
    """The best of the trials, best first; a window of recent rows has to be surely better than all of them."""
    ranked = sorted(trials, key=lambda trial: trial.log_loss)
    best = ranked[0] if ranked else None
    full = next((trial for trial in ranked if trial.settings.window is None), None)
    if best is not None and full is not None and best.settings.window is not None and not surely_better(best, full):
        best = full
    return Search(best.settings if best else default, tuple(ranked))


def surely_better(one: Trial, other: Trial) -> bool:
    """Whether one trial's loss is lower by more than two standard errors of the difference over blocks of time.

    Days differ more than settings do: a window that happens to fit one fortnight is no reason to forget the rest.

    >>> even, bad = Trial(FitSettings(), 0.50, (0.5, 0.5, 0.5)), Trial(FitSettings(), 0.51, (0.4, 0.5, 0.63))
    >>> surely_better(even, bad)
    False
    >>> surely_better(even, Trial(FitSettings(), 0.51, (0.50, 0.51, 0.52)))
    False
    >>> surely_better(even, Trial(FitSettings(), 0.51, (0.509, 0.51, 0.511)))
    True
    """
    if len(one.by_block) != len(other.by_block) or len(one.by_block) < 2:
        return False
    gains = [theirs - ours for ours, theirs in zip(one.by_block, other.by_block, strict=True)]
    return fmean(gains) > 2.0 * stdev(gains) / sqrt(len(gains))
