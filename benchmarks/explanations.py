"""Cost of an exact explanation of one row: ours beside xgboost's, shap's, fasttreeshap's and woodelf's.

    python -m benchmarks.explanations [--no-peers]

One thread each, CPU time, different rows in every call; the bench model of `benchmarks.model`. Peers run in their own
environments (`benchmarks/peers/`), made at the first run; one that cannot be installed or does not work is told so.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xgboost
from threadpoolctl import threadpool_limits

from benchmarks import environments, model, results
from benchmarks.peers.explain import Explain, measure
from windvane.cluster.errors import Unavailable
from windvane.serve_apps.versions.explain import BoosterExplainer, QuadratureExplainer

BATCHES = (1, 4, 16, 64, 1024)
MANY = 65_536  # where woodelf's preparation has paid; minutes for those that take milliseconds a row
PEERS = {
    "fasttreeshap v1": "fasttreeshap",
    "fasttreeshap-fixed v1": "fasttreeshap-fixed",
    "fasttreeshap-fixed v2": "fasttreeshap-fixed",
    "woodelf": "woodelf-explainer",
}
READY = """
import sys, time
start = time.perf_counter()
from windvane.serve_apps.versions.explain import QuadratureExplainer
from pathlib import Path
QuadratureExplainer(Path(sys.argv[1]))
print(time.perf_counter() - start)
"""

Row = tuple[str, dict[int, float], float]  # name, microseconds a row by batch, largest difference


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-peers", action="store_true", help="only what is in this environment")
    order = parser.parse_args()
    booster = model.bundle().booster_path
    rows = model.make_rows(2 * MANY, seed=5)
    with threadpool_limits(1):  # shap makes its matrices on all cores
        found = here(booster, rows)
    absent: dict[str, str] = {}
    if not order.no_peers:
        for name in PEERS:
            try:
                found.append(peer(name, booster, rows))
            except Unavailable as reason:
                absent[name] = str(reason)
    machine = results.this_machine()
    lines = [
        f"{machine.cpu}, {machine.cores} cores, load {machine.load_before:.1f} when it ended; microseconds a row.",
        "",
        *table(found),
        *(f"- {name}: did not run. {reason}" for name, reason in absent.items()),
        "",
        f"Ready after {ready(booster):.2f} s in a new process, imports included, kernel cached.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def here(booster: Path, rows: np.ndarray) -> list[Row]:
    """Ours, `pred_contribs` and shap, one batch size after the other for all three."""
    import shap

    native = xgboost.Booster({"nthread": 1})
    native.load_model(booster)
    ours, theirs = QuadratureExplainer(booster), BoosterExplainer(booster)
    tree = shap.TreeExplainer(native)
    explain: dict[str, Explain] = {
        "Windvane": ours.contributions,
        "xgboost `pred_contribs`": theirs.contributions,
        f"shap {shap.__version__}": lambda some: tree.shap_values(some),
    }
    wanted = theirs.contributions(rows[:64])[:, 1:]
    times: dict[str, dict[int, float]] = {name: {} for name in explain}
    for batch in BATCHES:
        for name, function in explain.items():
            times[name][batch] = measure(function, rows, batch)
    times["Windvane"][MANY] = measure(ours.contributions, rows, MANY)
    values = {name: np.asarray(function(rows[:64]))[:, -rows.shape[1] :] for name, function in explain.items()}
    return [(name, times[name], float(np.abs(values[name] - wanted).max())) for name in explain]


def note(line: str) -> None:
    """Tell how installing goes, beside the table."""
    sys.stderr.write(f"{line}\n")


def peer(name: str, booster: Path, rows: np.ndarray) -> Row:
    """A package in its own environment; raises Unavailable with the last line of what it says."""
    python = environments.ensure(PEERS[name], note)
    batches = (*BATCHES, MANY) if name == "woodelf" else BATCHES
    script = Path(__file__).with_name("peers") / "explain.py"
    with TemporaryDirectory() as folder:
        np.save(Path(folder) / "rows.npy", rows)
        command = [str(python), str(script), name, str(booster), f"{folder}/rows.npy", ",".join(map(str, batches))]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if done.returncode != 0:
        raise Unavailable((done.stderr.strip().splitlines() or ["It says nothing."])[-1])
    told = json.loads(done.stdout)
    version = environments.pinned(PEERS[name]).get(PEERS[name], "")
    times = {int(batch): microseconds for batch, microseconds in told["microseconds"].items()}
    return f"{name} {version}".strip(), times, told["difference"]


def table(found: Sequence[Row]) -> list[str]:
    """Markdown, one line each."""
    columns = (*BATCHES, MANY)
    lines = [
        "| rows a call | " + " | ".join(f"{batch:,}" for batch in columns) + " | largest difference |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for name, times, difference in found:
        cells = (f"{times[batch]:,.1f}" if batch in times else "" for batch in columns)
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {difference:.0e} |")
    return lines


def ready(booster: Path) -> float:
    """Seconds until a new process can explain."""
    done = subprocess.run([sys.executable, "-c", READY, str(booster)], capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
