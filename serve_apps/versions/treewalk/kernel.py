"""The walk from the roots to the leaves, compiled by numba: eight trees at a time, row by row.

A step waits for two reads and a comparison, one after the other; eight steps that know nothing of each other fill that
time. Places are unsigned, so that numba does not look for negative ones.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from windvane.serve_apps.versions.compiling import compiled, kept
from windvane.serve_apps.versions.treewalk.nodes import GROUP, LANES, QUESTION

Array = NDArray[Any]
BLOCK = 64  # rows that go through a group of trees while its nodes are in the cache
_QUESTION = len(QUESTION)
_LINE = 16  # float32 numbers that come into the cache together
_TWO, _THREE, _FOUR = np.uint64(2), np.uint64(3), np.uint64(4)


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch(_: Any, array: Any, place: Any) -> Any:  # noqa: ARG001 numba reads the names
    """Ask for array[place] to come into the cache, and do not wait for it."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, given[0]).data
        address = builder.bitcast(builder.gep(start, [given[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        to_read, to_keep, numbers = number(0), number(3), number(1)
        builder.call(
            builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind),
            [address, to_read, to_keep, numbers],
        )
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@compiled
def _widen(rows: Array, row: int, questions: Array, categories: Array, wide: Array, start: int) -> None:
    """Write what `Nodes` says of a row's columns to `wide[start:]`."""
    features = rows.shape[1]
    for feature in range(features):
        value = rows[row, feature]
        missing = value != value
        wide[start + feature] = -np.inf if missing else value
        wide[start + features + feature] = np.inf if missing else value
    wide[start + 2 * features] = np.inf
    for place in range(0, len(questions), _QUESTION):
        value, words = rows[row, questions[place]], questions[place + 3]
        right = value != value and questions[place + 1] == 0
        if value >= 0 and value < words * 32:
            code = np.int64(value)
            bits = categories[questions[place + 2] + (code >> 5)]
            right = (bits >> np.uint32(code & 31)) & np.uint32(1) != 0
        wide[start + 2 * features + 1 + place // _QUESTION] = 1.0 if right else 0.0


@compiled
def _step(thresholds: Array, halves: Array, wide: Array, start: np.uint64, place: np.uint64) -> np.uint64:
    """The child of the node at `place`. No column is NaN, so "not at least" is "below", and one instruction less."""
    value = wide[start + np.uint64(halves[_FOUR * place + _TWO])]
    left = not (value >= thresholds[_TWO * place])
    return place + np.uint64(halves[_FOUR * place + _THREE]) + np.uint64(left)


@kept
def walk(
    rows: Array,
    thresholds: Array,
    halves: Array,
    groups: Array,
    questions: Array,
    categories: Array,
    columns: int,
    base: float,
    logistic: bool,
    found: Array,
) -> None:
    """Write to float64[n] the margins of float32[n, F], or the probabilities that these are the log-odds of.

    `thresholds` and `halves` are `Nodes.packed`, seen as float32[2 N] and uint16[4 N].
    """
    n = len(rows)
    wide = np.empty(min(n, BLOCK) * columns, np.float32)
    for begin in range(0, n, BLOCK):
        count = min(BLOCK, n - begin)
        for i in range(count):
            _widen(rows, begin + i, questions, categories, wide, i * columns)
            found[begin + i] = base
        for group in range(0, len(groups), GROUP):
            steps, after = groups[group + LANES], group + GROUP
            if after < len(groups):  # a third of the time when the nodes lie in no cache any more
                for place in range(2 * groups[after + LANES + 1], 2 * groups[after + LANES + 2], _LINE):
                    _prefetch(thresholds, place)
            for i in range(count):
                start = np.uint64(i * columns)
                a, b = np.uint64(groups[group]), np.uint64(groups[group + 1])
                c, d = np.uint64(groups[group + 2]), np.uint64(groups[group + 3])
                e, f = np.uint64(groups[group + 4]), np.uint64(groups[group + 5])
                g, h = np.uint64(groups[group + 6]), np.uint64(groups[group + 7])
                for _ in range(steps):
                    a = _step(thresholds, halves, wide, start, a)
                    b = _step(thresholds, halves, wide, start, b)
                    c = _step(thresholds, halves, wide, start, c)
                    d = _step(thresholds, halves, wide, start, d)
                    e = _step(thresholds, halves, wide, start, e)
                    f = _step(thresholds, halves, wide, start, f)
                    g = _step(thresholds, halves, wide, start, g)
                    h = _step(thresholds, halves, wide, start, h)
                first = np.float64(thresholds[_TWO * a]) + np.float64(thresholds[_TWO * b])
                second = np.float64(thresholds[_TWO * c]) + np.float64(thresholds[_TWO * d])
                third = np.float64(thresholds[_TWO * e]) + np.float64(thresholds[_TWO * f])
                fourth = np.float64(thresholds[_TWO * g]) + np.float64(thresholds[_TWO * h])
                found[begin + i] += (first + second) + (third + fourth)
        if logistic:
            for i in range(count):
                found[begin + i] = 1.0 / (1.0 + np.exp(-found[begin + i]))
