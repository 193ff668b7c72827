"""The engine in this process, with plain xgboost: no cluster, nothing to wait for."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from windvane.training.fit.engine import Fitted, SearchResult, Trial, Work, conclude
from windvane.training.fit.growing import grown
from windvane.training.fit.growth import ROUNDS_PER_STEP, Folds, Growth
from windvane.training.fit.settings import FitSettings
from windvane.training.rows.examples import Examples
from windvane.training.search.folds import folds_for
from windvane.training.search.space import default_settings, points

LEAST_TRIALS = 2  # whatever the time: the default, and something to compare it with
LEAST_ROUNDS = 100  # of each of them


class LocalEngine:
    """Searches trial after trial and fits here, with `threads` threads.

    Without a clock it is repeatable: only `training.trials` bounds the search, and no second counts.
    """

    def __init__(self, threads: int = 1, clock: Callable[[], float] | None = None) -> None:
        """`clock` gives seconds, such as time.monotonic; with it the search ends at `training.tune_budget`."""
        self._threads, self._clock = threads, clock

    def search(self, learn: Examples, check: Examples, work: Work) -> SearchResult:
        """The best settings for `learn`, compared on the newer `check`; two trials at least, whatever the time."""
        training = work.training
        started = self._now()

        def late() -> bool:
            return self._now() - started > training.tune_budget.total_seconds()

        tried = points(learn, training)
        folds = Folds(folds_for(tried, learn, check), training.seed, self._threads)
        trials: list[Trial] = []
        for place, settings in enumerate(tried):
            if place >= LEAST_TRIALS and late():
                work.say(f"the search ends after {len(trials)} of {len(tried)} trials: tune_budget is used up")
                break
            best = _tried(Growth(settings, folds), training.max_rounds, _leader(trials), late)
            work.say(f"trial {place + 1}: log loss {best.log_loss:.4f} at {best.settings.rounds} rounds")
            trials.append(best)
        found = conclude(trials, default_settings(learn, training))
        return replace(found, planned=len(tried), why_fewer="training.tune_budget was used up")

    def fit(self, judged: Examples, served: Examples, settings: FitSettings, work: Work) -> Fitted:
        """A booster from each of both sets of rows."""
        parts = (part.window(settings.window) for part in (judged, served))
        return Fitted(*(grown(settings, part, work.training.seed, self._threads) for part in parts))

    def _now(self) -> float:
        return 0.0 if self._clock is None else self._clock()


def _leader(trials: Sequence[Trial]) -> Trial | None:
    return min(trials, key=lambda trial: trial.log_loss, default=None)


def _tried(growth: Growth, max_rounds: int, rival: Trial | None, late: Callable[[], bool]) -> Trial:
    """Grow until it no longer improves, falls behind, or has had a fair start when the time is used up."""
    while growth.rounds < max_rounds and not growth.hopeless(rival):
        growth.step(min(ROUNDS_PER_STEP, max_rounds - growth.rounds))
        if growth.rounds >= LEAST_ROUNDS and late():
            break
    assert growth.best is not None
    return growth.best
