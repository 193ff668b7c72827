"""Grows one booster step by step and remembers where it was best on rows it does not learn from."""

from dataclasses import replace

import numpy as np
import xgboost
from numpy.typing import NDArray

from training.engine import Trial
from training.examples import Examples
from training.settings import FitSettings

ROUNDS_PER_STEP = 20
BLOCKS = 14  # of the check slice, in time: a day each where it is a fortnight


class Growth:
    """A booster that learns from one matrix and is compared on another; xgboost scores only its new trees there."""

    def __init__(
        self,
        settings: FitSettings,
        learn: xgboost.DMatrix,
        check: xgboost.DMatrix,
        labels: NDArray[np.bool_],
        seed: int,
        threads: int,
    ) -> None:
        """`labels` bool[n] are those of `check`."""
        self._settings, self._learn, self._check, self._labels = settings, learn, check, labels
        self._booster = xgboost.Booster(settings.booster_parameters(seed, threads), [learn, check])
        self.rounds = 0
        self.log_loss = float("inf")
        self._best: Trial | None = None

    @property
    def best(self) -> Trial | None:
        """The rounds at which it was best so far; None before the first step."""
        return self._best

    def step(self, rounds: int = ROUNDS_PER_STEP) -> None:
        """Grow by so many rounds and look how well it does."""
        for _ in range(rounds):
            self._booster.update(self._learn, self.rounds)
            self.rounds += 1
        losses = log_losses(self._booster.predict(self._check), self._labels)
        self.log_loss = float(losses.mean())
        if self._best is None or self.log_loss < self._best.log_loss:
            by_block = tuple(float(block.mean()) for block in np.array_split(losses, BLOCKS) if len(block))
            self._best = Trial(replace(self._settings, rounds=self.rounds), self.log_loss, by_block)


def log_losses(chances: NDArray[np.floating], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """float64[n] log losses of float[n] chances."""
    chance = np.clip(np.asarray(chances, np.float64), 1e-7, 1 - 1e-7)
    losses: NDArray[np.float64] = -np.log(np.where(labels, chance, 1 - chance))
    return losses


def matrix(examples: Examples, threads: int = 1) -> xgboost.QuantileDMatrix:
    """The rows in xgboost's own form, binned once."""
    return xgboost.QuantileDMatrix(
        examples.rows, examples.labels.astype(np.float32), weight=examples.weights, nthread=threads
    )
