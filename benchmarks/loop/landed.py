"""The rules that stood before: absolute limits beside a reference, all rows, a fifth held out."""

from windvane.backtest.history import History
from windvane.backtest.predictions import Scores
from windvane.backtest.run import Trained
from windvane.backtest.trainer import HeldChampion, Scorer
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.profile import Profile
from windvane.training.engines.local_engine import LocalEngine
from windvane.training.fit.engine import SearchResult, Work
from windvane.training.order import Order
from windvane.training.rows.holdout_split import slices
from windvane.training.search.space import default_settings
from windvane.training.training_pipeline import judge

__all__ = ["LANDED", "LandedTrainer", "Scores", "landed_spec"]
LANDED = ", by the rules before"


def landed_spec(spec: ModelSpec) -> ModelSpec:
    """The same model with the limits and budgets that were the defaults."""
    raw = spec.model_dump(mode="json")
    raw["monitor"] |= {"auc_drop": 0.03, "brier_rise": 0.02, "false_alarm_windows": 10**15}
    raw["retrain"] |= {"cool_down": "7d", "daily_budget": 2, "min_labels": 1000, "growth": None}
    return ModelSpec.model_validate(raw)


class LandedTrainer:
    """Fits all rows with the hand-set settings and judges on the newest fifth."""

    def __init__(self, spec: ModelSpec, history: History) -> None:
        self._spec, self._history = spec, history
        self._champions: dict[int, HeldChampion] = {}

    def train(self, order: Order, number: int, champion: int | None, until: float, now: float) -> Trained:
        """See `windvane.backtest.replay.Trainer`."""
        learnt = self._history.learnable(until, now)
        cut = slices(self._spec, learnt, learnt)
        best = default_settings(learnt, self._spec.training)
        fitted = LocalEngine().fit(cut.judged, cut.served, best, Work(self._spec.training))
        facing = None if champion is None else self._champions[champion]
        made = judge(self._spec, cut, SearchResult(best, ()), fitted, facing, order.accept)
        self._champions[number] = HeldChampion(number, fitted, made.judged_until)
        profile: Profile = made.profile
        return Trained(made.ruling.standing, made.ruling.why, profile, Scorer(fitted.served), len(learnt))
