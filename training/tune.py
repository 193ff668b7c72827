"""Searches for the settings of a version: a few trials on Ray Tune, the hopeless ones stopped early (ASHA)."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import ray
import xgboost
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from cluster.processes import step_back
from configs.schema import Training
from training.data import Examples
from training.engine import Search, conclude
from training.settings import TUNED, FitSettings, windows_of
from training.share import share

ROUNDS_PER_REPORT = 20
BLOCKS = 14  # of the check slice, in time: a day each where it is a fortnight


class BoosterTrial(tune.Trainable):  # type: ignore[misc]
    """Grows a booster by a few rounds a step, in its own process, and is reused from trial to trial."""

    def setup(self, config: dict[str, Any], learn: Examples, check: Examples, seed: int) -> None:
        step_back()
        self._learn, self._check, self._seed = learn, check, seed
        self._best: float
        self._best_by_block: list[float]
        self._checked = xgboost.DMatrix(check.rows, check.labels)
        self._matrices: dict[timedelta | None, xgboost.DMatrix] = {}
        self._start(config)

    def step(self) -> dict[str, Any]:
        """More rounds, then the log loss so far and the best of this trial."""
        for _ in range(ROUNDS_PER_REPORT):
            self._booster.update(self._matrix, self._rounds)
            self._rounds += 1
        chance = np.clip(self._booster.predict(self._checked), 1e-7, 1 - 1e-7)
        losses = -np.log(np.where(self._check.labels, chance, 1 - chance))
        log_loss = float(losses.mean())
        if log_loss < self._best:
            self._best, self._best_rounds = log_loss, self._rounds
            self._best_by_block = [float(block.mean()) for block in np.array_split(losses, BLOCKS) if len(block)]
        return {
            "log_loss": log_loss,
            "best_log_loss": self._best,
            "best_rounds": self._best_rounds,
            "best_by_block": self._best_by_block,
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._start(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep: the winner is fitted again on more rows."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Nothing was kept."""

    def _start(self, config: dict[str, Any]) -> None:
        settings = FitSettings(**{name: config[name] for name in TUNED})
        if settings.window not in self._matrices:
            learn = self._learn.window(settings.window)
            self._matrices[settings.window] = xgboost.QuantileDMatrix(learn.rows, learn.labels)
        self._matrix = self._matrices[settings.window]
        parameters = settings.booster_parameters(self._seed, threads=1)
        self._booster = xgboost.Booster(parameters, [self._matrix])
        self._rounds = 0
        self._best, self._best_rounds = float("inf"), 0
        self._best_by_block = []


class _Progress(tune.Callback):  # type: ignore[misc]
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._done = say, 0

    def on_trial_complete(self, *_: Any, trial: Any, **__: Any) -> None:
        """Say how a trial ended."""
        self._done += 1
        last = trial.last_result
        if "best_log_loss" in last:
            self._say(f"trial {self._done}: log loss {last['best_log_loss']:.4f} at {last['best_rounds']:g} rounds")


# Written for every result of every trial; the search is recorded with the version instead.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")


def search(learn: Examples, check: Examples, training: Training, scratch: Path, say: Callable[[str], None]) -> Search:
    """Try `training.trials` settings on `learn`, compared on the newer `check`, within `training.tune_budget`."""
    span = float(learn.times[-1] - learn.times[0])
    default = replace(FitSettings(), rounds=min(FitSettings().rounds, training.max_rounds))
    windows = windows_of(training.windows, span)
    steps = max(1, training.max_rounds // ROUNDS_PER_REPORT)
    slim = [replace(part, table=part.table.slice(0, 0)) for part in (learn, check)]
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(BoosterTrial, learn=slim[0], check=slim[1], seed=training.seed),
            share(ray.cluster_resources()),
        ),
        param_space=_space(windows),
        tune_config=tune.TuneConfig(
            num_samples=training.trials,
            time_budget_s=training.tune_budget.total_seconds(),
            reuse_actors=True,
            search_alg=BasicVariantGenerator(
                points_to_evaluate=[_point(replace(default, window=windows[0]))], random_state=training.seed
            ),
            scheduler=ASHAScheduler(
                metric="log_loss", mode="min", max_t=steps, grace_period=min(3, steps), reduction_factor=3
            ),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            stop={"training_iteration": steps},
            verbose=0,
            callbacks=[_Progress(say)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    results = tuner.fit()
    return conclude([result.metrics for result in results if result.metrics], default)


def _space(windows: Sequence[timedelta | None]) -> dict[str, Any]:
    return {
        "max_depth": tune.choice([3, 4, 5, 6]),
        "eta": tune.choice([0.04, 0.06, 0.1]),
        "min_child_weight": tune.choice([20.0, 60.0, 150.0, 400.0]),
        "subsample": tune.choice([0.6, 0.8, 1.0]),
        "colsample_bytree": tune.choice([0.4, 0.7, 1.0]),
        "reg_lambda": tune.choice([1.0, 5.0, 20.0]),
        "window": tune.choice(list(windows)),
    }


def _point(settings: FitSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in TUNED}
