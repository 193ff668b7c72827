"""Port to what searches and fits; the job reads the same whether it runs on a cluster or in a test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import xgboost

from configs.schema import Training
from training.data import Examples
from training.settings import TUNED, FitSettings


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting tried and how well it did on the newest slice that the search may see."""

    settings: FitSettings
    log_loss: float


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
        self, learn: Examples, check: Examples, training: Training, scratch: Path, say: Callable[[str], None]
    ) -> Search:
        """The best settings for `learn`, compared on the newer `check`, within `training.tune_budget`."""

    def fit(
        self, judged: Examples, served: Examples, settings: FitSettings, training: Training, scratch: Path
    ) -> Fitted:
        """A booster from each of both sets of rows."""


def conclude(reports: Sequence[Mapping[str, Any]], default: FitSettings) -> Search:
    """The best of what the trials reported last, best first."""
    trials = [
        Trial(
            FitSettings(**{name: report["config"][name] for name in TUNED}, rounds=int(report["best_rounds"])),
            float(report["best_log_loss"]),
        )
        for report in reports
        if "best_log_loss" in report
    ]
    trials.sort(key=lambda trial: trial.log_loss)
    return Search(trials[0].settings if trials else default, tuple(trials))
