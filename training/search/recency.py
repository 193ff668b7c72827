"""Decides how much rows of an older world still count, by what each choice does on newer rows it does not know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from windvane.configs.schema import Training
from windvane.training.fit.engine import SURELY, Trial, better
from windvane.training.fit.growing import grown
from windvane.training.fit.growth import BLOCKS, log_losses
from windvane.training.fit.settings import spelled_moment
from windvane.training.rows.examples import Examples
from windvane.training.search.space import default_settings

TENTH = 10  # one in so many of the older rows is kept where they are to count little
AFTER_CHANGE = (TENTH, 0)  # tried beside all rows where a change is known
RECENT_SHARES = (0.5, 0.25)  # of the rows, tried as the newer world where no change is known
MOST_ROWS = 50_000  # learnt from to decide it; more are thinned evenly


@dataclass(frozen=True, slots=True)
class Recency:
    """Thinning of the rows before `since`: one in `step` is kept, none where it is 0; the default keeps all."""

    since: float | None = None  # event time
    step: int = 1

    def apply(self, examples: Examples) -> Examples:
        """The rows that are kept."""
        if self.since is None or self.step == 1:
            return examples
        return examples.thinned(self.since, self.step) if self.step else examples.since(self.since)

    def described(self) -> str:
        """Description in words.

        >>> Recency().described(), Recency(86400.0, 10).described(), Recency(86400.0, 0).described()
        ('all rows', 'one in 10 of the rows before 1970-01-02', 'no row before 1970-01-02')
        """
        if self.since is None or self.step == 1:
            return "all rows"
        before = f"before {spelled_moment(self.since)}"
        return f"one in {self.step} of the rows {before}" if self.step else f"no row {before}"


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
    if since is None and best.since is not None and not better(trial, full, SURELY):
        best, trial = fitted[0]
    if best.since is not None:
        say(f"learnt from {best.described()}: log loss {trial.log_loss:.4f}, from all rows {full.log_loss:.4f}")
    return best


def _choices(learn: Examples, since: float | None) -> Sequence[Recency]:
    if since is not None:
        recent = learn.since(since)
        enough = bool(len(recent)) and recent.labels.any() and not recent.labels.all()
        cuts = [(since, step) for step in AFTER_CHANGE if enough or step > 0]
    else:
        places = [int(len(learn) * (1.0 - share)) for share in RECENT_SHARES]
        cuts = [(float(learn.times[place]), TENTH) for place in places]
    return [Recency(), *(Recency(cut, step) for cut, step in cuts)]


def _tried(choice: Recency, learn: Examples, check: Examples, training: Training) -> Trial:
    part = _at_most(choice.apply(learn), MOST_ROWS)
    settings = default_settings(part, training)
    booster = grown(settings, part, training.seed, threads=1)
    losses = log_losses(booster.inplace_predict(check.rows), check.labels)
    by_block = tuple(float(block.mean()) for block in np.array_split(losses, BLOCKS) if len(block))
    return Trial(settings, float(losses.mean()), by_block)


def _at_most(examples: Examples, most: int) -> Examples:
    step = -(-len(examples) // most)
    return examples if step <= 1 else examples.take(np.arange(len(examples)) % step == 0)
