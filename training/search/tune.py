"""Searches for the settings of a version: a few trials on Ray Tune, side by side, the hopeless ones stopped early."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from windvane.cluster.runtime.processes import step_back
from windvane.configs.schema import Training
from windvane.training.fit.engine import SearchResult, Trial, conclude
from windvane.training.fit.growth import ROUNDS_PER_STEP, Fold, Folds, Growth
from windvane.training.fit.settings import FitSettings
from windvane.training.fit.share import share
from windvane.training.rows.examples import Examples
from windvane.training.search.folds import folds_for
from windvane.training.search.space import default_settings, points


class BoosterTrial(tune.Trainable):  # type: ignore[misc]
    """Grows boosters by a few rounds a step, in its own process, and is reused from trial to trial."""

    def setup(self, config: dict[str, Any], folds: list[Fold], tried: list[FitSettings], seed: int) -> None:
        step_back()
        self._folds, self._tried = Folds(folds, seed, threads=1), tried
        self._growth = Growth(self._tried[config["place"]], self._folds)

    def step(self) -> dict[str, Any]:
        """More rounds, then the log loss so far and the best of this trial."""
        self._growth.step()
        return {"log_loss": self._growth.log_loss, "best": self._growth.best, "done": self._growth.hopeless(None)}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._growth = Growth(self._tried[new_config["place"]], self._folds)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep: the winner is fitted again on more rows."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Nothing was kept."""


class _Progress(tune.Callback):  # type: ignore[misc]
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._done = say, 0
        self.failed: list[str] = []  # why

    def on_trial_complete(self, *_: Any, trial: Any, **__: Any) -> None:
        """Say how a trial ended."""
        self._done += 1
        best = trial.last_result.get("best")
        if best is not None:
            self._say(f"trial {self._done}: log loss {best.log_loss:.4f} at {best.settings.rounds} rounds")

    def on_trial_error(self, *_: Any, trial: Any, **__: Any) -> None:
        """Say that a trial did not run, and why."""
        self._done += 1
        self.failed.append(_last_line(trial.error_file))
        self._say(f"trial {self._done} did not run: {self.failed[-1]}")


# Written for every result of every trial; the search is recorded with the version instead.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")


def search(
    learn: Examples, check: Examples, training: Training, scratch: Path, say: Callable[[str], None]
) -> SearchResult:
    """Try `training.trials` settings on `learn`, compared on the newer `check`, within `training.tune_budget`."""
    tried = points(learn, training)
    folds = [Fold(_slim(fold.learn), _slim(fold.check)) for fold in folds_for(tried, learn, check)]
    steps = max(1, training.max_rounds // ROUNDS_PER_STEP)
    progress = _Progress(say)
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(BoosterTrial, folds=folds, tried=tried, seed=training.seed),
            share(ray.cluster_resources()),
        ),
        param_space={"place": tune.grid_search(list(range(len(tried))))},
        tune_config=tune.TuneConfig(
            time_budget_s=training.tune_budget.total_seconds(),
            reuse_actors=True,
            scheduler=ASHAScheduler(
                metric="log_loss", mode="min", max_t=steps, grace_period=min(6, steps), reduction_factor=3
            ),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            stop={"training_iteration": steps},
            verbose=0,
            callbacks=[progress],
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    trials = _reported([result.metrics or {} for result in tuner.fit()])
    why = f"{progress.failed[-1]}" if progress.failed else "they had no CPU within training.tune_budget"
    if len(trials) < len(tried):
        say(f"{len(tried) - len(trials)} of {len(tried)} trials did not run: {why}")
    return replace(conclude(trials, default_settings(learn, training)), planned=len(tried), why_fewer=why)


def _reported(results: Sequence[dict[str, Any]]) -> list[Trial]:
    return [result["best"] for result in results if result.get("best") is not None]


def _slim(examples: Examples) -> Examples:
    """Without the rows as they were before encoding, which no trial reads."""
    return replace(examples, table=examples.table.slice(0, 0))


def _last_line(file: str | None) -> str:
    lines = Path(file).read_text().strip().splitlines() if file and Path(file).is_file() else []
    return lines[-1] if lines else "no reason was given"
