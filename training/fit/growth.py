"""Grows one setting step by step on one or several folds, and remembers where it was best on the rows left out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from windvane.training.fit.engine import Trial
from windvane.training.fit.growing import Start, begin, kinds_of, lines_of, matrix_of
from windvane.training.fit.settings import FitSettings
from windvane.training.fit.unseen_categories import with_unknowns
from windvane.training.fit.xgboost_import import xgboost
from windvane.training.rows.examples import Examples

ROUNDS_PER_STEP = 10
BLOCKS = 14  # of the checked rows, in time: a day each where it is a fortnight
PATIENCE = 5  # steps without an improvement after which more rounds are hopeless
STEPS_AHEAD = 25  # for which the newest gain is taken to go on, which is more than it does
SURE = 0.75  # standard errors by which more rounds have to be better: fewer are as good until shown otherwise


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows to learn from, and others to be compared on."""

    learn: Examples
    check: Examples


class Folds:
    """The folds in xgboost's own form; what several settings need is made once."""

    def __init__(self, folds: Sequence[Fold], seed: int, threads: int) -> None:
        self.seed, self.threads = seed, threads
        self._folds = folds
        self.checked = [_checked(fold.check, threads) for fold in folds]
        self.labels = np.concatenate([fold.check.labels for fold in folds])
        self._learnt: dict[timedelta | None, list[tuple[Examples, xgboost.DMatrix]]] = {}
        self._starts: dict[tuple[timedelta | None, str], list[Start]] = {}

    def learnt(self, settings: FitSettings) -> list[xgboost.DMatrix]:
        """The rows in the settings' window, of every fold."""
        return [matrix for _, matrix in self._parts(settings.window)]

    def starts(self, settings: FitSettings) -> list[Start]:
        """Starts of boosters of these settings, one for every fold."""
        key = settings.window, settings.start
        if key not in self._starts:
            self._starts[key] = [
                begin(lines_of(settings, part), matrix, part.rows, self.seed, self.threads)
                for part, matrix in self._parts(settings.window)
            ]
        return self._starts[key]

    def _parts(self, window: timedelta | None) -> list[tuple[Examples, xgboost.DMatrix]]:
        if window not in self._learnt:
            parts = [with_unknowns(fold.learn.window(window)) for fold in self._folds]
            self._learnt[window] = [(part, matrix_of(part)) for part in parts]
        return self._learnt[window]


class Growth:
    """One setting's boosters, a fold each; xgboost scores only their new trees at every look."""

    def __init__(self, settings: FitSettings, folds: Folds) -> None:
        self._settings, self._folds = settings, folds
        self._learnt, starts = folds.learnt(settings), folds.starts(settings)
        self._boosters = [
            begun.booster(settings, folds.seed, folds.threads, [learn, check])
            for begun, learn, check in zip(starts, self._learnt, folds.checked, strict=True)
        ]
        self._begun = [begun.trees for begun in starts]
        self.rounds = 0
        self.log_loss = self.gained = float("inf")
        self._best: Trial | None = None
        self._best_losses = np.full(len(folds.labels), np.inf)
        if all(self._begun):
            self._look()

    @property
    def best(self) -> Trial | None:
        """The rounds at which it was best so far; None before the first step of one that starts from nothing."""
        return self._best

    def hopeless(self, rival: Trial | None) -> bool:
        """Whether more rounds are no use: no better for long, or too slow to come up to another setting's best."""
        if self._best is None:
            return False
        late = self.rounds - self._best.settings.rounds >= PATIENCE * ROUNDS_PER_STEP
        slow = rival is not None and self.log_loss - STEPS_AHEAD * max(self.gained, 0.0) > rival.log_loss
        return late or (slow and self.rounds >= PATIENCE * ROUNDS_PER_STEP)

    def step(self, rounds: int = ROUNDS_PER_STEP) -> None:
        """Grow by so many rounds and look how well it does."""
        for booster, learn, begun in zip(self._boosters, self._learnt, self._begun, strict=True):
            for number in range(self.rounds, self.rounds + rounds):
                booster.update(learn, begun + number)
        self.rounds += rounds
        self._look()

    def _look(self) -> None:
        scored = [booster.predict(check) for booster, check in zip(self._boosters, self._folds.checked, strict=True)]
        losses = log_losses(np.concatenate(scored), self._folds.labels)
        before, self.log_loss = self.log_loss, float(losses.mean())
        self.gained = before - self.log_loss
        gains = self._best_losses - losses
        if self._best is None or gains.mean() > SURE * gains.std() / np.sqrt(len(gains)):
            by_block = tuple(float(block.mean()) for block in np.array_split(losses, BLOCKS) if len(block))
            self._best = Trial(replace(self._settings, rounds=self.rounds), self.log_loss, by_block)
            self._best_losses = losses


def _checked(examples: Examples, threads: int) -> xgboost.DMatrix:
    kinds = kinds_of(examples.rows.shape[1], examples.categories)
    return xgboost.DMatrix(examples.rows, nthread=threads, **kinds)


def log_losses(chances: NDArray[np.floating], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """float64[n] log losses of float[n] chances."""
    chance = np.clip(np.asarray(chances, np.float64), 1e-7, 1 - 1e-7)
    losses: NDArray[np.float64] = -np.log(np.where(labels, chance, 1 - chance))
    return losses
