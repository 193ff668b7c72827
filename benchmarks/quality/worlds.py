"""Tables made up from a seed that is drawn for the run: nobody can have tuned anything to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.quality.table import LABEL, Table, spec_of

Floats = NDArray[np.float64]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Columns:
    """Drawn features: numbers [n, k], and categories as codes."""

    numbers: Floats
    categories: tuple[NDArray[np.int64], ...]


def worlds(seed: int, count: int) -> Iterator[Table]:
    """So many worlds of drawn size, shape and rate; every second is harder than sums of single features."""
    for number in range(count):
        yield _world(np.random.default_rng([seed, number]), number)


def trials(seed: int) -> Iterator[Table]:
    """The synthetic tables that once went wrong: linear, sorted by the label, rare, small, and no signal at all."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=3000)
    plan, n = rng.integers(0, 3, 3000), rng.integers(0, 10, 3000)
    columns = {"x": pa.array(x), "plan": pa.array(list("abc")).take(pa.array(plan)), "n": pa.array(n.astype(float))}
    labels = _drawn(rng, 2 * x)
    declared: list[dict[str, object]] = [
        _number("x"),
        {"name": "plan", "type": "category", "categories": list("abc")},
        _number("n"),
    ]
    ok = pa.table({**columns, LABEL: pa.array(labels)})
    yield Table("made/ok", spec_of(declared), ok)
    yield Table("made/sorted", spec_of(declared), ok.sort_by([(LABEL, "ascending")]))
    for name, rows, offset in (("rare", 40_000, -7.6), ("small", 500, -0.6)):
        a = rng.normal(size=(rows, 6))
        truths = _drawn(rng, offset + 1.2 * a[:, 0] + a[:, 1] * (a[:, 2] > 0) + 0.8 * np.abs(a[:, 3]))
        yield _table(f"made/{name}", Columns(a, ()), truths)
    yield _table("made/noise", Columns(rng.normal(size=(2000, 5)), ()), rng.random(2000) < 0.3)


def _world(rng: np.random.Generator, number: int) -> Table:
    rows = int(np.exp(rng.uniform(np.log(300), np.log(30_000))))
    features, named = int(rng.integers(3, 20)), int(rng.integers(0, 4))
    numbers = rng.normal(size=(rows, features))
    if rng.random() < 0.5:  # features that go together
        numbers = numbers @ np.linalg.qr(rng.normal(size=(features, features)))[0] * rng.uniform(0.3, 2, features)
        numbers[:, 1:] += rng.uniform(0, 1) * numbers[:, :1]
    kinds = [int(rng.integers(2, 25)) for _ in range(named)]
    categories = tuple(np.minimum(rng.geometric(2.0 / kind, rows) - 1, kind - 1) for kind in kinds)
    shapes: tuple[tuple[str, Callable[..., Floats]], ...] = (("sum", _sum), ("interactions", _interactions))
    name, shape = shapes[number % 2]
    margin = shape(rng, Columns(numbers, categories))
    margin = margin / margin.std() * rng.uniform(0.5, 3.0)
    rate = float(np.exp(rng.uniform(np.log(0.01), np.log(0.5))))
    labels = _drawn(rng, margin + _offset(margin, max(rate, 25 / rows)))
    if rng.random() < 0.4:
        numbers[rng.random(numbers.shape) < rng.uniform(0.02, 0.3)] = np.nan
    if rng.random() < 0.4:  # long tails
        numbers = np.sign(numbers) * np.expm1(np.abs(numbers))
    return _table(f"drawn/{number} {name}", Columns(numbers, categories), labels)


def _sum(rng: np.random.Generator, columns: Columns) -> Floats:
    """Straight lines of some numbers, steps or bends of others, an effect for each category."""
    margin = np.zeros(len(columns.numbers))
    for column in columns.numbers.T:
        bends = (lambda x: x, lambda x: x, np.abs, np.sin, lambda x: (x > 0.5) * 1.0, lambda x: np.maximum(x, 0))
        margin += rng.normal() * (rng.random() < 0.6) * bends[int(rng.integers(len(bends)))](column)
    for codes in columns.categories:
        margin += rng.normal(size=codes.max() + 1)[codes]
    return margin + 1e-9 * columns.numbers[:, 0]


def _interactions(rng: np.random.Generator, columns: Columns) -> Floats:
    """Boxes, products and categories that change what a number means, beside half of a sum."""
    margin = 0.5 * _sum(rng, columns)
    x = columns.numbers
    for _ in range(6):
        i, j = rng.integers(0, x.shape[1], 2)
        margin += rng.normal() * ((x[:, i] > rng.normal() * 0.5) & (x[:, j] > rng.normal() * 0.5))
        margin += 0.4 * rng.normal() * x[:, i] * x[:, j]
    for codes in columns.categories:
        margin += rng.normal(size=codes.max() + 1)[codes] * x[:, int(rng.integers(x.shape[1]))]
    return margin


def _offset(margin: Floats, rate: float) -> float:
    """Offset that makes the mean chance `rate`, by bisection."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(margin + middle).mean() < rate else (low, middle)
    return low


def _table(name: str, columns: Columns, labels: NDArray[np.bool_]) -> Table:
    arrays: dict[str, pa.Array] = {}
    declared: list[dict[str, object]] = []
    for place, column in enumerate(columns.numbers.T):
        arrays[f"x{place}"] = pa.array(column, pa.float64(), from_pandas=True)
        declared.append({**_number(f"x{place}"), "missing": bool(np.isnan(column).any())})
    for place, codes in enumerate(columns.categories):
        kinds = list(LETTERS[: codes.max() + 1])
        arrays[f"c{place}"] = pa.array(kinds).take(pa.array(codes))
        declared.append({"name": f"c{place}", "type": "category", "categories": kinds})
    return Table(name, spec_of(declared), pa.table({**arrays, LABEL: pa.array(labels)}))


def _number(name: str) -> dict[str, object]:
    return {"name": name, "type": "number"}


def _drawn(rng: np.random.Generator, margin: Floats) -> NDArray[np.bool_]:
    return rng.random(len(margin)) < _sigmoid(margin)


def _sigmoid(margin: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(margin, -40, 40)))
