"""Times one package's TreeSHAP in its own environment: `explain.py PACKAGE BOOSTER ROWS BATCHES`, JSON to stdout.

BATCHES are rows a call, separated by commas. CPU time of one thread, different rows in every call.
"""

import contextlib
import importlib
import json
import sys
import time
from collections.abc import Callable

import numpy as np
import xgboost

SECONDS = 2.0  # a batch size is repeated for about as long, three times at least

Explain = Callable[[np.ndarray], np.ndarray]


def fasttreeshap(module: str, algorithm: str, booster: xgboost.Booster) -> Explain:
    """`v1` saves time alone, `v2` takes memory too."""
    explainer = importlib.import_module(module).TreeExplainer(booster, algorithm=algorithm, n_jobs=1)
    return lambda rows: explainer.shap_values(rows)


def woodelf(booster: xgboost.Booster) -> Explain:
    """It prepares the trees anew in every call, which pays at many thousand rows."""
    import pandas  # in its environment only

    explainer = importlib.import_module("woodelf").WoodelfExplainer(booster)
    names = [f"f{place}" for place in range(booster.num_features())]
    return lambda rows: explainer.shap_values(pandas.DataFrame(rows, columns=names), verbose=False)


MAKERS: dict[str, Callable[[xgboost.Booster], Explain]] = {
    "fasttreeshap v1": lambda booster: fasttreeshap("fasttreeshap", "v1", booster),
    "fasttreeshap-fixed v1": lambda booster: fasttreeshap("fasttreeshap_fixed", "v1", booster),
    "fasttreeshap-fixed v2": lambda booster: fasttreeshap("fasttreeshap_fixed", "v2", booster),
    "woodelf": woodelf,
}


def measure(explain: Explain, rows: np.ndarray, batch: int) -> float:
    """Median microseconds a row."""
    explain(rows[:batch])
    taken: list[float] = []
    place = batch
    while len(taken) < 3 or (sum(taken) < SECONDS and len(taken) < 1000):
        if place + batch > len(rows):
            place = 0
        start = time.process_time()
        explain(rows[place : place + batch])
        taken.append(time.process_time() - start)
        place += batch
    return sorted(taken)[len(taken) // 2] / batch * 1e6


def main() -> None:
    """Print microseconds a row by batch, and the largest difference from `pred_contribs`."""
    package, path, table, batches = sys.argv[1:]
    rows = np.load(table)
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(path)
    wanted = booster.predict(xgboost.DMatrix(rows[:64], nthread=1), pred_contribs=True)[:, :-1]
    with contextlib.redirect_stdout(sys.stderr):  # woodelf tells of its progress
        start = time.process_time()
        explain = MAKERS[package](booster)
        made = time.process_time() - start
        difference = float(np.abs(np.asarray(explain(rows[:64])) - wanted).max())
        found = {batch: measure(explain, rows, int(batch)) for batch in batches.split(",")}
    sys.stdout.write(json.dumps({"made": made, "difference": difference, "microseconds": found}))


if __name__ == "__main__":
    main()
