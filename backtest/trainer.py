"""Makes the replay's versions in this process, by the code that the training job runs."""

from dataclasses import dataclass, replace

import numpy as np
import xgboost
from numpy.typing import NDArray

from windvane.backtest.history import History
from windvane.backtest.predictions import Scores
from windvane.backtest.run import Trained
from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec
from windvane.training.engines.local_engine import LocalEngine
from windvane.training.evaluate.evaluate import estimates_of
from windvane.training.evaluate.incomparable import incomparable
from windvane.training.fit.engine import Engine, Fitted
from windvane.training.order import Order
from windvane.training.rows.examples import Examples
from windvane.training.training_pipeline import Made, make


@dataclass(frozen=True, slots=True)
class HeldChampion:
    """The champion's boosters, as they are held in memory."""

    number: int
    fitted: Fitted
    judged_until: float

    def unable(self, held: Examples) -> str | None:
        """Reason why it cannot be compared on these rows; None when it can."""
        return incomparable(self.number, self.unseen(held))

    def unseen(self, held: Examples) -> Examples:
        """The rows that its judged booster does not know."""
        return held.since(self.judged_until)

    def score(self, unseen: Examples) -> Scores:
        """float[n] chances by its judged booster, as the candidate's are."""
        return Scorer(self.fitted.judged)(unseen.rows)

    def served(self, examples: Examples) -> Scores:
        """float[n] chances that it serves, of rows that it may know by heart."""
        return Scorer(self.fitted.served)(examples.rows)


class LocalTrainer:
    """Trains on what the history shows at the time."""

    def __init__(self, spec: ModelSpec, history: History, engine: Engine | None = None) -> None:
        self._spec, self._history = spec, history
        self._engine: Engine = engine or LocalEngine()
        self._made: dict[int, Made] = {}

    def train(self, order: Order, number: int, champion: int | None, until: float, now: float) -> Trained:
        """See `windvane.backtest.replay.Trainer`."""
        learnt = self._history.learnable(until, now)
        if len(learnt) == 0 or learnt.labels.all() or not learnt.labels.any():
            raise Invalid(f"{len(learnt)} labels are known by then, and both kinds are needed: start later")
        since = None if order.since is None else order.since.timestamp()
        facing = None if champion is None else self._champion(champion)
        made = make(self._spec, learnt, learnt, facing, self._engine, order.accept, since)
        self._made[number] = made
        return Trained(
            made.ruling.standing,
            made.ruling.why,
            replace(made.profile, label_delay=self._history.label_delay(now)),
            Scorer(made.fitted.served),
            len(made.reference),
            estimates_of(made.comparison),
        )

    def _champion(self, number: int) -> HeldChampion:
        made = self._made[number]
        return HeldChampion(number, made.fitted, made.judged_until)


class Scorer:
    """Scores encoded rows by a booster."""

    def __init__(self, booster: xgboost.Booster) -> None:
        self._booster = booster

    def __call__(self, rows: NDArray[np.float32]) -> Scores:
        return np.asarray(self._booster.inplace_predict(rows), np.float64)
