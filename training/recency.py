"""How much rows of an older world still count: decided by what each choice does on newer rows it does not know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xgboost

from configs.schema import Training
from training.engine import Trial, surely_better
from training.examples import Examples
from training.growth import BLOCKS, log_losses, matrix
from training.settings import FitSettings, spelled_moment
from training.space import default_settings

AFTER_CHANGE = (1.0, 0.1, 0.0)  # what older rows count where a change is known; all of them are always tried
RECENT_SHARES = (0.5, 0.25)  # of the rows, tried as the newer world where no change is known
MOST_ROWS = 100_000  # learnt from to decide it; more are thinned evenly


@dataclass(frozen=True, slots=True)
class Recency:
    """Rows before `since` count `older` times as much as the others; the default counts all rows the same."""

    since: float | None = None  # event time
    older: float = 1.0

    def apply(self, examples: Examples) -> Examples:
        """The rows, weighed."""
        return examples if self.since is None or self.older == 1.0 else examples.weighing(self.since, self.older)

    def described(self) -> str:
        """What it does, in words.

        >>> Recency().described(), Recency(86400.0, 0.1).described(), Recency(86400.0, 0.0).described()
        ('all rows count the same', 'rows before 1970-01-02 count a tenth', 'rows before 1970-01-02 are left out')
        """
        if self.since is None or self.older == 1.0:
            return "all rows count the same"
        how = {0.0: "are left out", 0.1: "count a tenth"}.get(self.older, f"count {self.older:g} times")
        return f"rows before {spelled_moment(self.since)} {how}"


def choose(
    learn: Examples, check: Examples, since: float | None, training: Training, say: Callable[[str], None]
) -> Recency:
    """The recency whose fit does best on the newer `check`.

    Where a change is known the least loss decides. Where none is, forgetting has to be surely better over blocks of
    time: days differ more than that, and rows are dear.
    """
    fitted = [(choice, _tried(choice, learn, check, training)) for choice in _choices(learn, since)]
    full = fitted[0][1]
    best, trial = min(fitted, key=lambda each: each[1].log_loss)
    if since is None and best.since is not None and not surely_better(trial, full):
        best, trial = fitted[0]
    if best.since is not None:
        say(f"{best.described()}: log loss {trial.log_loss:.4f} on the check slice, {full.log_loss:.4f} with all alike")
    return best


def _choices(learn: Examples, since: float | None) -> Sequence[Recency]:
    if since is not None:
        recent = learn.since(since)
        enough = bool(len(recent)) and recent.labels.any() and not recent.labels.all()
        cuts = [(since, older) for older in AFTER_CHANGE if older != 1.0 and (enough or older > 0.0)]
    else:
        places = [int(len(learn) * (1.0 - share)) for share in RECENT_SHARES]
        cuts = [(float(learn.times[place]), 0.1) for place in places]
    return [Recency(), *(Recency(cut, older) for cut, older in cuts)]


def _tried(choice: Recency, learn: Examples, check: Examples, training: Training) -> Trial:
    settings: FitSettings = default_settings(training)
    part = _thinned(choice.apply(learn))
    booster = xgboost.train(settings.booster_parameters(training.seed, threads=1), matrix(part), settings.rounds)
    losses = log_losses(booster.inplace_predict(check.rows), check.labels)
    by_block = tuple(float(block.mean()) for block in np.array_split(losses, BLOCKS) if len(block))
    return Trial(settings, float(losses.mean()), by_block)


def _thinned(examples: Examples) -> Examples:
    step = -(-len(examples) // MOST_ROWS)
    if step <= 1:
        return examples
    weights = None if examples.weights is None else examples.weights[::step]
    return Examples(
        examples.table.slice(0, 0), examples.rows[::step], examples.labels[::step], examples.times[::step], weights
    )
