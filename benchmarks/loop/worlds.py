"""Worlds with a known story, made up or real rows with a known change: what to heal, and what to leave alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windvane.backtest.history import History
from windvane.configs.schema import ModelSpec

DAY = 86_400.0
EPOCH = 20_000 * DAY  # a Thursday
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class World:
    """A history with its story: when what changed, and whether a retraining there would be a false one."""

    name: str
    spec: ModelSpec
    history: History
    start: float  # event time at which the loop begins, with what is known then
    change: float | None = None  # event time at which the concept or the base rate changed
    settled: float | None = None  # event time from which it no longer moves; `change` where it was sudden
    quiet: bool = False  # nothing to heal: every retraining that a finding asks for is a false one
    real: bool = False  # rows of a real table

    @property
    def days(self) -> float:
        """Days the loop answers."""
        return float((self.history.times[-1] - self.start) / DAY)


@dataclass(frozen=True, slots=True)
class Story:
    """Story of a made-up world; days count from the loop's start."""

    name: str
    kind: str = "stationary"
    cold: int = 60  # days of rows before the loop starts
    days: int = 160
    per_day: int = 300
    change: float | None = 60.5
    delay: float = 1.0  # days until a label is known
    slow_class: float | None = None  # days until a negative label is known, where that takes longer
    rate: float = 0.4
    quiet: bool = False


STORIES: tuple[Story, ...] = (
    Story("flip", "flip"),
    Story("flip, 300 rows a day, labels after 3 days", "flip", delay=3.0),
    Story("flip, labels after 40 days", "flip", days=240, delay=40.0),
    Story("flip, goods known late", "flip", days=200, delay=2.0, slow_class=20.0),
    Story("flip of one group", "subpopulation", per_day=600),
    Story("rotation, sudden", "rotation"),
    Story("rotation over 60 days", "gradual", days=240),
    Story("season of 180 days", "season", days=360, change=None),
    Story("wandering, never by much at once", "wander", days=300, change=None),
    Story("prior", "prior", rate=0.5),
    Story("rare .5 %", "rotation", per_day=1500, rate=0.005, days=240),
    Story("unit error", "unit"),
    Story("a feature goes missing", "missing"),
    Story("stationary", "stationary", days=700, change=None, quiet=True),
    Story("covariates only", "covariates", days=200, quiet=True),
    Story("noise only", "noise", days=300, change=None, quiet=True),
    Story("weather", "weather", days=400, change=None, quiet=True),
)
BUSY = Story("flip, 300,000 rows a day", "flip", cold=2, days=17, per_day=300_000, change=4.5)
DRAWN_KINDS = ("flip", "subpopulation", "rotation", "gradual", "prior", "unit", "covariates", "wander", "stationary")


def drawn(seed: int, count: int) -> list[Story]:
    """Stories nobody has seen: kind, size, delay, rate and day of the change come from the seed."""
    rng = np.random.default_rng(seed)
    stories = []
    for place in range(count):
        kind = DRAWN_KINDS[int(rng.integers(len(DRAWN_KINDS)))]
        change = float(rng.uniform(30.0, 90.0))
        quiet = kind in ("covariates", "stationary")
        stories.append(
            Story(
                name=f"drawn {place + 1}: {kind}",
                kind=kind,
                cold=int(rng.integers(30, 90)),
                days=int(change) + 120,
                per_day=int(np.exp(rng.uniform(np.log(150), np.log(1200)))),
                change=None if kind in ("stationary", "wander") else change,
                delay=float(rng.uniform(0.1, 6.0)),
                rate=float(rng.uniform(0.1, 0.6)),
                quiet=quiet,
            )
        )
    return stories


def make(story: Story, seed: int) -> World:
    """The story told once, with coefficients, cases and labels from the seed."""
    rng = np.random.default_rng(seed)
    days = story.cold + story.days
    n = days * story.per_day
    day = np.sort(rng.random(n)) * days
    change = None if story.change is None else story.cold + story.change
    after = np.zeros(n, bool) if change is None else day >= change
    a, b, c, e, f = (rng.normal(size=n) for _ in range(5))
    group = rng.integers(0, 4, n)
    strength = rng.uniform(1.2, 2.2)
    side = rng.uniform(0.3, 0.8) * c + rng.uniform(-0.6, 0.6) * (group == 1) + rng.uniform(0.2, 0.6) * np.abs(e)
    base = float(np.log(story.rate / (1.0 - story.rate)))
    tell = _KINDS[story.kind]
    z, shown = tell(_Rows(day, after, change, a, b, c, e, f, group, strength, side, base, rng))
    z = z + _shift(z[~after], story.rate)
    chance = 1.0 / (1.0 + np.exp(-z))
    labels = rng.random(n) < chance
    rows = np.column_stack([shown["a"], shown["b"], c, group + 2.0, e, f]).astype(np.float32)
    times = EPOCH + day * DAY
    delay = np.full(n, story.delay)
    if story.slow_class is not None:
        delay = np.where(labels, story.delay, story.slow_class)
    gradual = story.kind == "gradual"
    return World(
        story.name,
        spec_of(_FEATURES),
        History(rows, labels, times, times + delay * DAY, chance, frozenset({3})),
        EPOCH + story.cold * DAY,
        None if change is None or story.quiet else EPOCH + change * DAY,
        None if change is None else EPOCH + (change + (60.0 if gradual else 0.0)) * DAY,
        story.quiet,
    )


def _shift(z: Floats, rate: float) -> float:
    """Shift to add to float[n] log-odds so that `rate` of them come true on average."""
    low, high = -15.0, 15.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if float(np.mean(1.0 / (1.0 + np.exp(-z - middle)))) < rate else (low, middle)
    return 0.5 * (low + high)


def spec_of(features: list[dict[str, Any]], **sections: Any) -> ModelSpec:
    """A declaration with nothing declared but what must be."""
    return ModelSpec.model_validate(
        {
            "name": "world",
            "owner": "bench@example.org",
            "unit": "row",
            "target": {"name": "label_of_row"},
            "data": {"source": "none.csv", "time": "at"},
            "decision": {"actions": [{"name": "tell", "at_least": 0.0}]},
            "features": features,
            **sections,
        }
    )


_FEATURES: list[dict[str, Any]] = [
    {"name": "a", "type": "number", "missing": True},
    {"name": "b", "type": "number"},
    {"name": "c", "type": "number"},
    {"name": "group", "type": "category", "categories": ["w", "x", "y", "z"]},
    {"name": "e", "type": "number"},
    {"name": "f", "type": "number"},
]


@dataclass(frozen=True, slots=True)
class _Rows:
    day: Floats
    after: NDArray[np.bool_]
    change: float | None
    a: Floats
    b: Floats
    c: Floats
    e: Floats
    f: Floats
    group: NDArray[np.int64]
    strength: float
    side: Floats
    base: float
    rng: np.random.Generator


_Told = tuple[Floats, dict[str, Floats]]


def _turned(rows: _Rows, angle: Floats) -> _Told:
    z = rows.strength * (np.cos(angle) * rows.a + np.sin(angle) * rows.b) + rows.side + rows.base
    return z, {"a": rows.a, "b": rows.b}


def _flip(rows: _Rows) -> _Told:
    return _turned(rows, np.where(rows.after, np.pi, 0.0))


def _subpopulation(rows: _Rows) -> _Told:
    return _turned(rows, np.where(rows.after & (rows.group == 2), np.pi, 0.0))


def _rotation(rows: _Rows) -> _Told:
    return _turned(rows, np.where(rows.after, np.pi / 2, 0.0))


def _gradual(rows: _Rows) -> _Told:
    assert rows.change is not None
    return _turned(rows, np.clip((rows.day - rows.change) / 60.0, 0.0, 1.0) * np.pi / 2)


def _season(rows: _Rows) -> _Told:
    return _turned(rows, np.sin(2 * np.pi * rows.day / 180.0) * np.pi / 3)


def _wander(rows: _Rows) -> _Told:
    """The concept turns by a random walk, at a speed of its own."""
    days = int(rows.day[-1]) + 1
    speed = float(np.exp(rows.rng.uniform(np.log(0.01), np.log(0.08))))  # radians in a day
    return _turned(rows, np.cumsum(rows.rng.normal(0.0, speed, days))[rows.day.astype(int)])


def _prior(rows: _Rows) -> _Told:
    z, shown = _turned(rows, np.zeros(len(rows.day)))
    return z - np.where(rows.after, 1.7, 0.0), shown


def _unit(rows: _Rows) -> _Told:
    z, shown = _turned(rows, np.zeros(len(rows.day)))
    return z, {**shown, "a": np.where(rows.after, 60.0 * rows.a, rows.a)}


def _missing(rows: _Rows) -> _Told:
    z, shown = _turned(rows, np.zeros(len(rows.day)))
    z = z + 0.7 * rows.strength * rows.b
    return z, {**shown, "a": np.where(rows.after, np.nan, rows.a)}


def _stationary(rows: _Rows) -> _Told:
    return _turned(rows, np.zeros(len(rows.day)))


def _covariates(rows: _Rows) -> _Told:
    moved = rows.a + np.where(rows.after, 1.2, 0.0)
    z = rows.strength * moved + rows.side + rows.base
    return z, {"a": moved, "b": rows.b}


def _noise(rows: _Rows) -> _Told:
    return np.full(len(rows.day), rows.base), {"a": rows.a, "b": rows.b}


def _weather(rows: _Rows) -> _Told:
    """A bad week in ten on average, from the beginning on, and days that differ a little."""
    z, shown = _turned(rows, np.zeros(len(rows.day)))
    days = int(rows.day[-1]) + 1
    bad = np.zeros(days)
    begin = int(rows.rng.integers(5, 30))
    while begin < days:
        bad[begin : begin + 7] = rows.rng.uniform(0.5, 1.0)
        begin += 7 + int(rows.rng.exponential(60.0))
    effect = bad + rows.rng.normal(0.0, 0.1, days)
    return z + effect[rows.day.astype(int)], shown


_KINDS: dict[str, Callable[[_Rows], _Told]] = {
    "flip": _flip,
    "subpopulation": _subpopulation,
    "rotation": _rotation,
    "gradual": _gradual,
    "season": _season,
    "wander": _wander,
    "prior": _prior,
    "unit": _unit,
    "missing": _missing,
    "stationary": _stationary,
    "covariates": _covariates,
    "noise": _noise,
    "weather": _weather,
}
