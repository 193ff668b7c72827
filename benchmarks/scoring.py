"""Cost of scoring one row: the walk over the booster's trees beside ONNX Runtime and xgboost.

    python -m benchmarks.scoring

One thread, microseconds of CPU a row, median; the bench model of `benchmarks.model`, different rows in every call.
"Cold" reads EVICTED_BYTES of other memory between two calls, so that no cache holds the model any more.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import xgboost
from numpy.typing import NDArray

from benchmarks import model, results
from windvane.serve_apps.versions.booster.forest import read_forest
from windvane.serve_apps.versions.predictor import ForestPredictor, OnnxPredictor

BATCHES = (1, 4, 16, 64, 256)
SECONDS = 0.3  # a batch size is repeated for about as long, whatever is done between the calls not counted
EVICTED_BYTES = 64 * 2**20  # more than the cores' shared cache too

Score = Callable[[NDArray[np.float32]], NDArray[np.floating]]


def main() -> None:
    """Measure and print a Markdown table."""
    bundle = model.bundle()
    rows = model.make_rows(65_536, seed=5)
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bundle.booster_path)
    scorers: dict[str, Score] = {
        "Windvane": ForestPredictor(read_forest(bundle.booster_path.read_bytes())).probabilities,
        "ONNX Runtime": OnnxPredictor(bundle.onnx_path).probabilities,
        "xgboost `inplace_predict`": booster.inplace_predict,
    }
    wanted = booster.inplace_predict(rows[:4096])
    machine = results.this_machine()
    lines = [
        f"{machine.cpu}, {machine.cores} cores, load {machine.load_before:.1f}; microseconds of CPU a row.",
        "",
        "| rows a call | " + " | ".join(f"{batch} | {batch}, cold" for batch in BATCHES) + " | largest difference |",
        "|---" * (2 * len(BATCHES) + 2) + "|",
    ]
    for name, score in scorers.items():
        cells = [f"{measure(score, rows, batch, cold):.1f}" for batch in BATCHES for cold in (0, EVICTED_BYTES)]
        difference = float(np.abs(score(rows[:4096]) - wanted).max())
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {difference:.0e} |")
    sys.stdout.write("\n".join(lines) + "\n")


def measure(score: Score, rows: NDArray[np.float32], batch: int, cold: int) -> float:
    """Median microseconds a row of calls with so many rows, between which `cold` bytes of other memory are read."""
    other = np.ones(cold // 8)  # zeros would all be the same page
    score(rows[:batch])
    taken: list[float] = []
    place = batch
    while len(taken) < 30 or sum(taken) < SECONDS:
        if place + batch > len(rows):
            place = 0
        other.sum()
        start = time.process_time()
        score(rows[place : place + batch])
        taken.append(time.process_time() - start)
        place += batch
    return sorted(taken)[len(taken) // 2] / batch * 1e6


if __name__ == "__main__":
    main()
