"""Finds values that a mutable feature could have instead: one for everything that a forest tells apart in it."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.decision_log.record import Value
from windvane.cluster.encoding import UNKNOWN, Encoder
from windvane.configs.schema import Feature

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_FINEST = 12  # decimals beyond which a value is not rounded any more


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Values a feature could have instead of its own, cheapest first, at `place` in the version's rows."""

    place: int
    values: tuple[Value, ...]
    encoded: Singles
    costs: Floats


class Choices:
    """The alternatives of one mutable feature under one forest, for whatever value it has.

    A forest tells numbers apart only by its thresholds: between two of them the score stays the same, so the value next
    to the present one stands for all of them. It is rounded, to no coarser than a hundredth of `spread`, without
    leaving them, and lies in the declared range. A number that changes by `spread` costs 1, a category or boolean that
    changes costs 1, unless `change_cost` is declared.
    """

    def __init__(self, feature: Feature, place: int, known: Feature, thresholds: Singles, spread: float) -> None:
        """`known` is the feature as the version knows it; `thresholds` of its splits, sorted and distinct."""
        self._place, self._feature, self._known = place, feature, known
        self._others: tuple[tuple[Value, ...], Singles] = ((), np.empty(0, np.float32))
        up, down = feature.mutable in (True, "increase"), feature.mutable in (True, "decrease")
        self._each = feature.change_cost or 1.0
        if feature.type in ("category", "boolean"):
            values: tuple[Value, ...] = tuple(v for v, may in ((True, up), (False, down)) if may)
            values = feature.categories if feature.type == "category" else values
            encoded = Encoder((known,)).rows([(value,) for value in values])[:, 0]
            kept = [i for i, code in enumerate(encoded) if feature.type == "boolean" or code != UNKNOWN]
            self._others = tuple(values[i] for i in kept), encoded[kept]
            return
        self._each = feature.change_cost or 1.0 / spread
        whole = feature.type == "integer"
        step = 1.0 if whole else 10.0 ** math.floor(math.log10(spread / 100.0))
        edges = [-math.inf, *thresholds.tolist(), math.inf]
        cells = [(low, high, _within(low, high, feature)) for low, high in pairwise(edges)]
        self._above = _ladder(feature, [(edge, _upwards(cell, step, whole)) for edge, _, cell in cells[1:] if up])
        self._below = _ladder(feature, [(edge, _downwards(cell, step, whole)) for _, edge, cell in cells[:-1] if down])

    def instead_of(self, value: Value) -> Alternatives:
        """All there are; none for a value that is missing, since what would stand there is not known."""
        if value is None:
            return Alternatives(self._place, (), np.empty(0, np.float32), np.empty(0))
        if self._feature.type in ("category", "boolean"):
            values, encoded = self._others
            kept = [i for i, other in enumerate(values) if other != value]
            costs = np.full(len(kept), self._each)
            return Alternatives(self._place, tuple(values[i] for i in kept), encoded[kept], costs)
        number = float(value)
        present = np.float32(number)
        (over, above), (under, below) = self._above, self._below
        found = np.concatenate([above[over > present], below[under <= present]])
        costs = np.abs(found - number) * self._each
        order = np.argsort(costs, kind="stable")
        plain = found[order].tolist()
        values = tuple(map(int, plain)) if self._feature.type == "integer" else tuple(plain)
        return Alternatives(self._place, values, found[order].astype(np.float32), costs[order])


def _within(low: float, high: float, feature: Feature) -> tuple[float, float]:
    """The part of [low, high) that the declared range allows; empty where there is none."""
    least = -math.inf if feature.min is None else feature.min
    most = math.inf if feature.max is None else float(np.nextafter(np.float32(feature.max), np.float32(np.inf)))
    return max(low, least), min(high, most)


def _ladder(feature: Feature, rungs: list[tuple[float, float | None]]) -> tuple[Singles, Floats]:
    """The thresholds that have something allowed beyond them, and what that is."""
    low = -math.inf if feature.min is None else feature.min
    high = math.inf if feature.max is None else feature.max
    kept = [(edge, value) for edge, value in rungs if value is not None and low <= value <= high]
    return np.array([edge for edge, _ in kept], np.float32), np.array([value for _, value in kept], np.float64)


def _upwards(cell: tuple[float, float], step: float, whole: bool) -> float | None:
    """The smallest round value in a cell [low, high), which are float32 numbers; None where nothing lies there.

    >>> _upwards((33.84, 36.2), 0.1, False), _upwards((33.841, 33.86), 0.1, False), _upwards((33.84, 33.9), 1.0, True)
    (33.9, 33.85, None)
    """
    low, high = cell
    if whole:
        value = float(math.ceil(low))
        return value if low <= np.float32(value) < high else None
    for decimals in range(-math.floor(math.log10(step)), _FINEST):
        unit = 10.0**-decimals
        first = math.floor(low / unit)  # a threshold that was 33.9 is 33.9000015 as float32, and so is 33.9
        for count in (first, first + 1, first + 2):
            value = round(count * unit, max(decimals, 0))
            if low <= np.float32(value) < high:
                return value
    return low if low < high else None


def _downwards(cell: tuple[float, float], step: float, whole: bool) -> float | None:
    """The largest round value in a cell [low, high); None where nothing lies there.

    >>> _downwards((33.8, 36.2), 0.1, False), _downwards((0.0, 36.0), 0.1, False), _downwards((2.5, 3.0), 1.0, True)
    (36.1, 35.9, None)
    """
    low, high = cell
    if whole:
        value = float(math.ceil(high) - 1)
        return value if low <= np.float32(value) < high else None
    for decimals in range(-math.floor(math.log10(step)), _FINEST):
        unit = 10.0**-decimals
        last = math.ceil(high / unit)
        for count in (last, last - 1, last - 2):
            value = round(count * unit, max(decimals, 0))
            if low <= np.float32(value) < high:
                return value
    value = float(np.nextafter(np.float32(high), np.float32(-np.inf)))
    return value if low <= value else None
