"""Port to what searches and fits; the job reads the same whether it runs on a cluster or in a test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import xgboost

from configs.schema import Training
from training.data import Examples
from training.settings import FitSettings


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
        """Get ready; whatever is slow and needs no rows."""

    def search(
        self, learn: Examples, check: Examples, training: Training, scratch: Path, say: Callable[[str], None]
    ) -> Search:
        """The best settings for `learn`, compared on the newer `check`, within `training.tune_budget`."""

    def fit(
        self, judged: Examples, served: Examples, settings: FitSettings, training: Training, scratch: Path
    ) -> Fitted:
        """A booster from each of both sets of rows."""
