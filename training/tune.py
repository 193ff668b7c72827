"""Searches for the settings of a version: a few trials on Ray Tune, the hopeless ones stopped early (ASHA)."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import xgboost
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from cluster.processes import step_back
from configs.schema import Training
from training.engine import Search, conclude
from training.examples import Examples
from training.growth import ROUNDS_PER_STEP, Growth, matrix
from training.settings import FitSettings
from training.space import default_settings, points


class BoosterTrial(tune.Trainable):  # type: ignore[misc]
    """Grows a booster by a few rounds a step, in its own process, and is reused from trial to trial."""

    def setup(
        self, config: dict[str, Any], learn: Examples, check: Examples, tried: list[FitSettings], seed: int
    ) -> None:
        step_back()
        self._learn, self._check, self._tried, self._seed = learn, check, tried, seed
        self._checked = xgboost.DMatrix(check.rows, check.labels)
        self._matrices: dict[timedelta | None, xgboost.DMatrix] = {}
        self._start(config)

    def step(self) -> dict[str, Any]:
        """More rounds, then the log loss so far and the best of this trial."""
        self._growth.step()
        return {"log_loss": self._growth.log_loss, "best": self._growth.best}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._start(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep: the winner is fitted again on more rows."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Nothing was kept."""

    def _start(self, config: dict[str, Any]) -> None:
        settings = self._tried[config["place"]]
        if settings.window not in self._matrices:
            self._matrices[settings.window] = matrix(self._learn.window(settings.window))
        learn = self._matrices[settings.window]
        self._growth = Growth(settings, learn, self._checked, self._check.labels, self._seed, threads=1)


class _Progress(tune.Callback):  # type: ignore[misc]
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._done = say, 0

    def on_trial_complete(self, *_: Any, trial: Any, **__: Any) -> None:
        """Say how a trial ended."""
        self._done += 1
        best = trial.last_result.get("best")
        if best is not None:
            self._say(f"trial {self._done}: log loss {best.log_loss:.4f} at {best.settings.rounds} rounds")


# Written for every result of every trial; the search is recorded with the version instead.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")


def search(learn: Examples, check: Examples, training: Training, scratch: Path, say: Callable[[str], None]) -> Search:
    """Try `training.trials` settings on `learn`, compared on the newer `check`, within `training.tune_budget`."""
    tried = points(learn, training)
    steps = max(1, training.max_rounds // ROUNDS_PER_STEP)
    slim = [replace(part, table=part.table.slice(0, 0)) for part in (learn, check)]
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(BoosterTrial, learn=slim[0], check=slim[1], tried=tried, seed=training.seed),
            {"cpu": 1},
        ),
        param_space={"place": tune.grid_search(list(range(len(tried))))},
        tune_config=tune.TuneConfig(
            time_budget_s=training.tune_budget.total_seconds(),
            reuse_actors=True,
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
    reports = [result.metrics or {} for result in tuner.fit()]
    return conclude([report["best"] for report in reports if report.get("best")], default_settings(training))
