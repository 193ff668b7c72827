"""Costs of adverse decisions: their reasons, their counterfactuals, and what the search takes from the event loop.

    python -m benchmarks.counterfactuals

The bench model with some of its features declared mutable, and a small booster on the mortgage example's rows. CPU time
of one search at a time; lateness of a loop that has something to do every millisecond, alone and beside them, by the
wall clock.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import uvloop
import xgboost

from benchmarks import model, results
from windvane.cluster.bundle import BOOSTER, ONNX, PROFILE, Bundle, Manifest
from windvane.cluster.bundle import SPEC as DECLARATION
from windvane.cluster.decision_log.grounds import NoneFound
from windvane.cluster.decision_log.record import Value
from windvane.configs.load import load_model, load_settings
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.profile import Profile
from windvane.serve_apps.versions.loaded_version import LoadedVersion, load_version
from windvane.training.export.export import to_onnx
from windvane.training.rows.labelled_rows import gather

MUTABLE = (3, 12, 24)  # features of the bench model
SEARCHES = 200
LOOP_SECONDS = 4.0
EVERY_SECONDS = 0.001
MORTGAGE = {
    "objective": "binary:logistic",
    "max_depth": 3,
    "eta": 0.06,
    "min_child_weight": 8.0,
    "subsample": 0.8,
    "colsample_bytree": 0.7,
    "reg_lambda": 5.0,
    "nthread": 1,
    "seed": 7,
}
Record = Sequence[Value]


@dataclass(frozen=True, slots=True)
class World:
    """A version and records whose action is adverse."""

    name: str
    version: LoadedVersion
    records: Sequence[Record]

    def searches(self) -> Iterator[Callable[[], bool]]:
        """One search after the other, each of another record."""
        return (partial(self._search, record) for record in cycle(self.records))

    def _search(self, record: Record) -> bool:
        """Does the search thread's work for one row; True when a counterfactual was found."""
        weights = self.version.explain(self.version.encoder.rows([record]))[0].tolist()
        return not isinstance(self.version.adverse_action.grounds(record, weights).counterfactual, NoneFound)


def bench(mutable: int) -> World:
    """The bench model, where `warn` goes against its subject."""
    document = model.SPEC.model_dump(mode="json")
    for place, feature in enumerate(document["features"]):
        feature |= {"mutable": place < mutable, "reason": {"raises": f"{feature['name']} is {{value}}"}}
    document["decision"]["actions"][1]["adverse"] = True
    document["explanation"] = {"counterfactual": True}
    spec = ModelSpec.model_validate(document)
    version = load_version(1, model.bundle().folder, spec)
    records = [tuple(map(float, row)) for row in model.make_rows(4 * SEARCHES, seed=8).tolist()]
    return World(f"bench, {mutable} of 24 features mutable", version, _adverse(version, spec, records))


def mortgage(folder: Path) -> World:
    """Every application that a booster of 90 trees of depth 3 declines."""
    spec = load_model("mortgage", load_settings({}))
    examples = gather(spec)
    learn = int(0.8 * len(examples))
    matrix = xgboost.DMatrix(examples.rows[:learn], examples.labels[:learn], nthread=1)
    booster = xgboost.train(MORTGAGE, matrix, num_boost_round=90)
    booster.save_model(folder / BOOSTER)
    (folder / ONNX).write_bytes(to_onnx(booster, len(spec.features)))
    (folder / DECLARATION).write_text(spec.model_dump_json())
    profile = Profile.learn(spec.features, examples.rows, booster.inplace_predict(examples.rows), examples.labels)
    (folder / PROFILE).write_bytes(profile.to_json())
    names = tuple(feature.name for feature in spec.features)
    Bundle.seal(folder, Manifest({}, names, 90, 89, 0.0, 0, {"xgboost": xgboost.__version__}))
    version = load_version(1, folder, spec)
    records = [tuple(row.values()) for row in examples.table.select(list(names)).to_pylist()]
    return World("mortgage, 6 of 15", version, _adverse(version, spec, records))


def _adverse(version: LoadedVersion, spec: ModelSpec, records: Sequence[Record]) -> list[Record]:
    least = min(action.at_least for action in spec.decision.actions if action.adverse)
    scores = version.score(records)[1]
    return [record for record, score in zip(records, scores.tolist(), strict=True) if score >= least]


def timed(world: World) -> tuple[list[float], float]:
    """Milliseconds of CPU of each search, and the share of those that found something."""
    supply = world.searches()
    for _ in range(5):
        next(supply)()
    took, found = [], 0
    for _ in range(SEARCHES):
        search = next(supply)
        start = time.thread_time()
        found += search()
        took.append(1000.0 * (time.thread_time() - start))
    return took, found / SEARCHES


async def lateness(beside: World | None) -> list[float]:
    """Milliseconds by which a loop that is to wake every millisecond wakes late."""
    loop, late = asyncio.get_running_loop(), []
    threads = ThreadPoolExecutor(1)
    stopped = False

    async def search(world: World) -> None:
        supply = world.searches()
        while not stopped:
            await loop.run_in_executor(threads, next(supply))

    searching = asyncio.ensure_future(search(beside)) if beside is not None else None
    until = time.perf_counter() + LOOP_SECONDS
    while (start := time.perf_counter()) < until:
        await asyncio.sleep(EVERY_SECONDS)
        late.append(1000.0 * (time.perf_counter() - start - EVERY_SECONDS))
    stopped = True
    if searching is not None:
        with suppress(asyncio.CancelledError):
            await searching
    threads.shutdown()
    return late


def line(name: str, values: Sequence[float], note: str = "") -> str:
    """One row of the table."""
    p50, p99 = np.quantile(values, [0.5, 0.99])
    return f"| {name} | {p50:.2f} | {p99:.2f} | {max(values):.2f} | {note} |"


def main() -> None:
    """Measure and print Markdown."""
    with TemporaryDirectory() as folder:
        worlds = [mortgage(Path(folder)), *map(bench, MUTABLE)]
        searches = [(world, *timed(world)) for world in worlds]
        late = [("nothing", uvloop.run(lateness(None)))]
        late += [(world.name, uvloop.run(lateness(world))) for world in worlds]
    machine = results.this_machine()
    told = [
        f"{machine.cpu}, {machine.cores} cores, load {machine.load_before:.1f} when it ended; milliseconds.",
        "",
        "| reasons and counterfactual of one decision | p50 | p99 | most | found |",
        "|---|---|---|---|---|",
        *(line(world.name, took, f"{share:.0%}") for world, took, share in searches),
        "",
        "| lateness of a loop beside | p50 | p99 | most | |",
        "|---|---|---|---|---|",
        *(line(name, values) for name, values in late),
    ]
    sys.stdout.write("\n".join(told) + "\n")


if __name__ == "__main__":
    main()
