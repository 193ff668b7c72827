"""The engine without a cluster: repeatable without a clock, bounded by the budget with one."""

from datetime import timedelta

import numpy as np
import pyarrow as pa

from windvane.configs.schema import Training
from windvane.training.engines.local_engine import LocalEngine
from windvane.training.fit.engine import Work
from windvane.training.fit.settings import FitSettings
from windvane.training.rows.examples import Examples


def examples(n: int, seed: int = 1) -> Examples:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, 2)).astype(np.float32)
    labels = random.random(n) < 1 / (1 + np.exp(-3 * rows[:, 0]))
    return Examples(pa.table({"place": np.arange(n)}), rows, labels, np.arange(n, dtype=np.float64))


ROWS = examples(600)
LEARN, CHECK = ROWS.before(480.0), ROWS.since(480.0)


def silent(_: str) -> None:
    pass


def test_without_a_clock_the_same_rows_give_the_same_trials() -> None:
    training = Training(trials=3, max_rounds=40, tune_budget=timedelta(0))
    once, again = (LocalEngine().search(LEARN, CHECK, Work(training)) for _ in range(2))
    assert once == again
    assert len(once.trials) == 3
    assert once.best == once.trials[0].settings


def test_a_budget_that_is_used_up_ends_the_search_after_the_default_and_something_and_says_so() -> None:
    seconds = iter([0.0, *[30.0] * 100])
    lines: list[str] = []
    training = Training(trials=5, max_rounds=1000, tune_budget=timedelta(seconds=20))
    found = LocalEngine(clock=lambda: next(seconds)).search(LEARN, CHECK, Work(training, say=lines.append))
    assert len(found.trials) == 2
    assert all(trial.settings.rounds <= 100 for trial in found.trials)
    assert lines[-1] == "the search ends after 2 of 5 trials: tune_budget is used up"


def test_a_trial_ends_when_more_rounds_no_longer_help() -> None:
    labels = np.random.default_rng(3).random(600) < 0.5
    noise = Examples(ROWS.table, ROWS.rows, labels, ROWS.times)
    training = Training(trials=1, max_rounds=100_000)
    found = LocalEngine().search(noise.before(480.0), noise.since(480.0), Work(training))
    assert found.best.rounds < 1000


def test_both_boosters_have_the_rounds_that_were_found() -> None:
    training = Training(trials=1, max_rounds=40)
    settings = FitSettings(start="none", rounds=30)
    fitted = LocalEngine().fit(LEARN, ROWS, settings, Work(training))
    assert fitted.judged.num_boosted_rounds() == fitted.served.num_boosted_rounds() == 30
    assert not np.array_equal(fitted.judged.inplace_predict(ROWS.rows), fitted.served.inplace_predict(ROWS.rows))
