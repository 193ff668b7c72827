"""The engine in this process, with plain xgboost: no cluster, nothing to wait for."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import xgboost

from configs.schema import Training
from training.engine import Fitted, Search, Trial, conclude
from training.examples import Examples
from training.growth import ROUNDS_PER_STEP, Growth, matrix
from training.settings import FitSettings
from training.space import default_settings, points

PATIENCE = 3  # steps without an improvement after which a trial ends


class LocalEngine:
    """Searches trial after trial and fits here, with `threads` threads.

    Without a clock it is repeatable: only `training.trials` bounds the search, and no second counts.
    """

    def __init__(self, threads: int = 1, clock: Callable[[], float] | None = None) -> None:
        """`clock` gives seconds, such as time.monotonic; with it the search ends at `training.tune_budget`."""
        self._threads, self._clock = threads, clock

    def start(self) -> None:
        """There is no cluster."""

    def warm_up(self) -> None:
        """There is nothing to import."""

    def search(
        self, learn: Examples, check: Examples, training: Training, _: Path | None, say: Callable[[str], None]
    ) -> Search:
        """The best settings for `learn`, compared on the newer `check`; one trial at least, whatever the time."""
        matrices: dict[timedelta | None, xgboost.DMatrix] = {}
        checked = xgboost.DMatrix(check.rows, check.labels)
        started = self._now()
        trials: list[Trial] = []
        for place, settings in enumerate(points(learn, training)):
            if trials and self._now() - started > training.tune_budget.total_seconds():
                say(f"the search ends after {len(trials)} of {training.trials} trials: tune_budget is used up")
                break
            if settings.window not in matrices:
                matrices[settings.window] = matrix(learn.window(settings.window))
            growth = Growth(settings, matrices[settings.window], checked, check.labels, training.seed, self._threads)
            best = _grown(growth, training.max_rounds)
            say(f"trial {place + 1}: log loss {best.log_loss:.4f} at {best.settings.rounds} rounds")
            trials.append(best)
        return conclude(trials, default_settings(training))

    def fit(
        self, judged: Examples, served: Examples, settings: FitSettings, training: Training, _: Path | None
    ) -> Fitted:
        """A booster from each of both sets of rows."""
        return Fitted(*(self._fit(part.window(settings.window), settings, training) for part in (judged, served)))

    def _fit(self, examples: Examples, settings: FitSettings, training: Training) -> xgboost.Booster:
        parameters = settings.booster_parameters(training.seed, self._threads)
        return xgboost.train(parameters, matrix(examples), settings.rounds)

    def _now(self) -> float:
        return 0.0 if self._clock is None else self._clock()


def _grown(growth: Growth, max_rounds: int) -> Trial:
    """Grow until it no longer improves."""
    best: Trial | None = None
    while growth.rounds < max_rounds:
        growth.step(min(ROUNDS_PER_STEP, max_rounds - growth.rounds))
        best = growth.best
        assert best is not None
        if growth.rounds - best.settings.rounds >= PATIENCE * ROUNDS_PER_STEP:
            break
    assert best is not None
    return best
