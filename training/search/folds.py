"""Chooses rows that a search learns from and compares on: the newest part where it says enough, else all in turn."""

from collections.abc import Sequence

import numpy as np

from windvane.training.fit.growth import Fold
from windvane.training.fit.settings import FitSettings
from windvane.training.rows.examples import Examples, joined

ENOUGH = 200  # rows of the rarer outcome that tell settings apart
FOLDS = 5
FEW_FOLDS = 3  # where each costs
MANY_ROWS = 20_000


def folds_for(tried: Sequence[FitSettings], learn: Examples, check: Examples) -> list[Fold]:
    """The folds on which these settings are compared."""
    return folds_of(learn, check, joined(learn, check), len({settings.window for settings in tried}) > 1)


def folds_of(learn: Examples, check: Examples, together: Examples, several_windows: bool) -> list[Fold]:
    """One fold with the newer `check` rows left out, or several of `learn` and `check` `together`, each in both parts.

    Windows of time can only be compared on newer rows. Folds are stretches of time, each with its share of outcomes.
    """
    rarer = min(int(check.labels.sum()), int((~check.labels).sum()))
    least = min(int(together.labels.sum()), int((~together.labels).sum()))
    count = min(FOLDS if len(together) <= MANY_ROWS else FEW_FOLDS, least)
    if several_windows or rarer >= ENOUGH or count < 2:
        return [Fold(learn, check)]
    fold = np.empty(len(together), np.int64)
    for outcome in (True, False):
        places = np.flatnonzero(together.labels == outcome)
        fold[places] = np.arange(len(places)) * count // len(places)
    return [Fold(together.take(fold != number), together.take(fold == number)) for number in range(count)]
