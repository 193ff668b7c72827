"""Fits a version on Ray Train: once without the held-out slice, to be judged, and once with it, to be served."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.train
from ray.train.xgboost import XGBoostTrainer

from windvane.cluster.errors import WindvaneError
from windvane.cluster.runtime.processes import step_back
from windvane.configs.schema import Training
from windvane.training.fit.engine import Fitted
from windvane.training.fit.growing import grow, kinds_of, lines_of
from windvane.training.fit.settings import FitSettings
from windvane.training.fit.share import most_workers, share
from windvane.training.fit.unseen_categories import with_unknowns
from windvane.training.fit.xgboost_import import xgboost
from windvane.training.rows.examples import Examples

JUDGED, SERVED = "judged.ubj", "served.ubj"
# Ray Train looks every 2 s whether a worker has ended, and starts a process to foresee spot reclaims: neither suits a
# fit of seconds.
_BRISK = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2", "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}


def fit(judged: Examples, served: Examples, settings: FitSettings, training: Training, scratch: Path) -> Fitted:
    """Fit both on 1..N workers, each with every N-th row; a share a worker and nothing else is held meanwhile.

    Serving keeps its share: no more workers are asked for than fit now, since a group that does not fit waits forever.
    """
    cluster = ray.cluster_resources()
    workers = most_workers(training.workers, ray.available_resources(), cluster)
    rows = ((JUDGED, judged), (SERVED, served))
    parts = [(name, with_unknowns(examples.window(settings.window))) for name, examples in rows]
    shares = {
        name: (ray.put(part.rows), ray.put(part.labels.astype(np.float32)), lines_of(settings, part))
        for name, part in parts
    }
    for name, value in _BRISK.items():
        os.environ.setdefault(name, value)
    trainer = XGBoostTrainer(
        _fit_share,
        train_loop_config={
            "shares": shares,
            "settings": settings,
            "kinds": kinds_of(judged.rows.shape[1], judged.categories),
            "seed": training.seed,
        },
        scaling_config=ray.train.ScalingConfig(num_workers=workers, resources_per_worker=share(cluster)),
        run_config=ray.train.RunConfig(name="train", storage_path=str(scratch)),
    )
    result = trainer.fit()
    if result.checkpoint is None:
        raise WindvaneError(f"The final fit reported no booster: {result.error}; see the job's log")
    with result.checkpoint.as_directory() as folder:
        return Fitted(*(_load(Path(folder) / name) for name in (JUDGED, SERVED)))


def _fit_share(config: dict[str, Any]) -> None:
    """Runs on every worker; a report costs seconds, so there is one, at the end, from the first worker."""
    step_back()
    context = ray.train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    with tempfile.TemporaryDirectory() as folder:
        for name, (*share, lines) in config["shares"].items():
            rows, labels = (part[rank::workers] for part in ray.get(share))
            learn = xgboost.QuantileDMatrix(rows, labels, **config["kinds"])
            booster = grow(config["settings"], lines, learn, rows, config["seed"], threads=1)
            if rank == 0:
                booster.save_model(Path(folder) / name)
        checkpoint = ray.train.Checkpoint.from_directory(folder) if rank == 0 else None
        ray.train.report({"rounds": config["settings"].rounds}, checkpoint=checkpoint)


def _load(path: Path) -> xgboost.Booster:
    booster = xgboost.Booster()
    booster.load_model(path)
    return booster
