"""The trainings of `benchmarks.patience`: rows of a table made up, and the same search and fit by plain xgboost."""

import csv
import os
import time
from pathlib import Path

import numpy as np
import xgboost

from windvane.configs.schema import ModelSpec

ROWS = {"small": 5_000, "large": 30_000}
COLUMNS = 8
DEPTHS = (3, 4, 5, 6)
PATIENCE_ROUNDS = 20  # without a better log loss a trial ends


def table(
    count: int,
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """float64[count, COLUMNS] and bool[count]: always the same rows, of which trees find something."""
    random = np.random.default_rng(7)
    values = random.normal(size=(count, COLUMNS))
    margin = 1.5 * values[:, 0] + np.abs(values[:, 1]) - values[:, 2] * (values[:, 3] > 0) - 0.5
    return values, random.random(count) < 1.0 / (1.0 + np.exp(-margin))


def write_rows(path: Path, count: int) -> None:
    """The table as the CSV that a person would bring."""
    values, labels = table(count)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{column}" for column in range(COLUMNS)), "bought"])
        writer.writerows([*np.round(row, 4), int(label)] for row, label in zip(values, labels, strict=True))


def least_of(spec: ModelSpec) -> float:
    """Seconds that plain xgboost takes for as many trials as are declared, each ended early, and for both fits."""
    values, labels = table(ROWS[spec.name])
    started = time.perf_counter()
    cut, end = int(len(values) * 0.64), int(len(values) * 0.8)  # what is searched on, checked on, and held out
    learn = xgboost.QuantileDMatrix(values[:cut], labels[:cut])
    check = xgboost.QuantileDMatrix(values[cut:end], labels[cut:end], ref=learn)
    best, rounds, depth = float("inf"), 1, DEPTHS[0]
    for trial in range(spec.training.trials):
        parameters = _parameters(DEPTHS[trial % len(DEPTHS)])
        booster = xgboost.train(
            parameters,
            learn,
            spec.training.max_rounds,
            evals=[(check, "check")],
            early_stopping_rounds=PATIENCE_ROUNDS,
            verbose_eval=False,
        )
        if booster.best_score < best:
            best, rounds, depth = booster.best_score, booster.best_iteration + 1, DEPTHS[trial % len(DEPTHS)]
    for until in (end, len(values)):
        xgboost.train(_parameters(depth), xgboost.QuantileDMatrix(values[:until], labels[:until]), rounds)
    return time.perf_counter() - started


def _parameters(depth: int) -> dict[str, object]:
    settings = {"objective": "binary:logistic", "eval_metric": "logloss", "max_depth": depth, "eta": 0.06}
    return settings | {"subsample": 0.8, "nthread": os.cpu_count() or 1}
