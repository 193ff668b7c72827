"""The walk over all trees, compiled by numba: as many rows at a time as a vector has lanes, one in each.

A vector of float32 numbers is one value of numba here, because left to itself LLVM does not see that the buffers never
overlap and keeps to single numbers. What is compiled stays in this file (`compiling.py`).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba.core import types
from numba.extending import intrinsic, models, register_model
from numpy.typing import NDArray

from serve_apps.compiling import compiled, kept
from serve_apps.treeshap.tables import CHUNK, NUMBERS, PLACES, TREE, WEIGHTS

Array = NDArray[Any]
Lanes = Any  # LANES float32 numbers
LANES = 16 if binding.get_host_cpu_features().get("avx512f", False) else 8
LINE = 16  # float32 numbers in a line of the cache
BLOCKS = 64 // LANES  # blocks of LANES rows that go through a tree while its tables are in the cache
FLUSH = 32  # trees whose contributions are summed in float32 before they are added in float64

_TREE, _PLACES, _NUMBERS, _WEIGHTS = len(TREE), len(PLACES), len(NUMBERS), len(WEIGHTS) * CHUNK
_COLUMN, _CREDIT, _LEFT, _RIGHT, _AGAIN, _AGAIN_LEFT, _CATEGORIES, _CATEGORY_WORDS = range(_PLACES)
_THRESHOLD, _KEPT_LEFT, _KEPT_RIGHT, _RATIO_LEFT, _VALUE_LEFT, _VALUE_RIGHT = range(_NUMBERS)
_STILL, _MOVED, _SCALE = range(0, _WEIGHTS, CHUNK)

# What the walk keeps of one slot, in lanes: 1 where the row goes left, 1 where it still follows the path of the split's
# feature, what the side it takes is worth; and at each quadrature node the product of weights on the way down, and
# first the left child's weight, then the sum of the leaves below.
_GOES, _ALIVE, _WORTH, _DOWN, _UP = 0, LANES, 2 * LANES, 3 * LANES, (3 + CHUNK) * LANES
_SLOT = (3 + 2 * CHUNK) * LANES

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_FAST = ("contract", "reassoc", "nsz", "arcp")  # "fast" would assume that no value is missing


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__("Lanes")


_lanes = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _instruction(gives: types.Type, write: Callable[..., Any]) -> Any:
    """A function for compiled code whose instructions `write(builder, *given)` emits; an array comes as its start."""

    @wraps(write)  # numba reads the arguments off the signature; the first one is never among them
    def typed(_: Any, *kinds: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            starts = [
                context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
                for kind, value in zip(signature.args, given, strict=True)
            ]
            return write(builder, *starts) or context.get_dummy_value()

        return gives(*(types.intp if isinstance(kind, types.Integer) else kind for kind in kinds)), generate

    return intrinsic(typed)


def _address(builder: Any, start: Any, place: Any) -> Any:
    return builder.bitcast(builder.gep(start, [place]), _VECTOR.as_pointer())


def _fill(builder: Any, number: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _write_load(builder: Any, start: Any, place: Any) -> Any:
    return builder.load(_address(builder, start, place), align=4)


def _write_store(builder: Any, start: Any, place: Any, lanes: Any) -> None:
    builder.store(lanes, _address(builder, start, place), align=4)


def _write_spread(builder: Any, start: Any, place: Any) -> Any:
    return _fill(builder, builder.load(builder.gep(start, [place])))


def _write_at(builder: Any, start: Any, place: Any) -> Any:
    return builder.sext(builder.load(builder.gep(start, [place])), ir.IntType(64))


def _write_below(builder: Any, lanes: Any, limits: Any) -> Any:
    ones, zeros = ir.Constant(_VECTOR, [1.0] * LANES), ir.Constant(_VECTOR, [0.0] * LANES)
    return builder.select(builder.fcmp_ordered("<", lanes, limits), ones, zeros)


_load = _instruction(_lanes, _write_load)
_store = _instruction(types.void, _write_store)
_same = _instruction(_lanes, _fill)  # one number in every lane
_spread = _instruction(_lanes, _write_spread)  # array[place] in every lane
_at = _instruction(types.intp, _write_at)  # array[place] of an int32 array, without numba's look for negative places
_below = _instruction(_lanes, _write_below)  # 1 where lanes < limits, else 0
_add = _instruction(_lanes, lambda builder, one, other: builder.fadd(one, other, flags=_FAST))
_subtract = _instruction(_lanes, lambda builder, one, other: builder.fsub(one, other, flags=_FAST))
_multiply = _instruction(_lanes, lambda builder, one, other: builder.fmul(one, other, flags=_FAST))


@compiled
def _room(count: int) -> Array:
    """So many numbers, the first of which begins a line of the cache: a vector across two lines costs a third more."""
    numbers = np.empty(count + LINE, np.float32)
    first = (-(numbers.ctypes.data // 4)) % LINE
    return numbers[first : first + count]


@compiled
def _transpose(rows: Array, begin: int, columns: Array) -> None:
    """Rows to lanes; a missing value becomes −∞ in one copy of its feature and +∞ in the other."""
    n, features = rows.shape
    for place in range(len(columns) // (2 * features)):
        row = min(begin + place, n - 1)
        start = place // LANES * 2 * features * LANES + place % LANES
        for feature in range(features):
            value = rows[row, feature]
            missing = value != value
            columns[start + feature * LANES] = -np.inf if missing else value
            columns[start + (features + feature) * LANES] = np.inf if missing else value


@compiled
def _among(columns: Array, column: int, words: Array, slots: Array, target: int) -> None:
    """Category by category: those whose bit is set go right, as do missing ones that came as +∞."""
    for lane in range(LANES):
        value = columns[column + lane]
        left = value != np.inf
        if value >= 0 and value < len(words) * 32:
            code = np.int64(value)
            left = (words[code >> 5] >> np.uint32(code & 31)) & np.uint32(1) == 0
        slots[target + lane] = 1.0 if left else 0.0


@compiled
def _decide(
    places: Array, numbers: Array, categories: Array, first: int, splits: int, columns: Array, start: int, slots: Array
) -> None:
    """What each split of a tree says of the block's rows: _GOES, _ALIVE and _WORTH."""
    one = _same(np.float32(1))
    for i in range(splits):
        place, number, slot = (first + i) * _PLACES, (first + i) * _NUMBERS, i * _SLOT
        column = start + _at(places, place + _COLUMN) * LANES
        chosen = _at(places, place + _CATEGORIES)
        if chosen < 0:
            left = _below(_load(columns, column), _spread(numbers, number + _THRESHOLD))
            _store(slots, slot + _GOES, left)
        else:
            words = categories[chosen : chosen + _at(places, place + _CATEGORY_WORDS)]
            _among(columns, column, words, slots, slot + _GOES)
            left = _load(slots, slot + _GOES)
        kept = _spread(numbers, number + _KEPT_LEFT)
        worth = _subtract(_multiply(left, _add(kept, _spread(numbers, number + _KEPT_RIGHT))), kept)
        again = _at(places, place + _AGAIN)
        alive = one
        if again >= 0:
            alive = _load(slots, again * _SLOT + _GOES)
            if _at(places, place + _AGAIN_LEFT) == 0:
                alive = _subtract(one, alive)
            alive = _multiply(_load(slots, again * _SLOT + _ALIVE), alive)
            worth = _multiply(worth, alive)
        _store(slots, slot + _ALIVE, alive)
        _store(slots, slot + _WORTH, worth)


@compiled
def _share(places: Array, place: int, ratio: Lanes, weights: Array, weight: int, slots: Array, slot: int) -> Lanes:
    """The left child's weight at a node: by the row where it follows the feature's path, by cover elsewhere."""
    ours = _multiply(_load(slots, slot + _GOES), _spread(weights, weight + _MOVED))
    ours = _add(_spread(weights, weight + _STILL), ours)
    if _at(places, place + _AGAIN) < 0:
        return ours
    return _add(ratio, _multiply(_load(slots, slot + _ALIVE), _subtract(ours, ratio)))


@compiled
def _walk(
    places: Array,
    numbers: Array,
    weights: Array,
    first: int,
    splits: int,
    general: int,
    weight: int,
    slots: Array,
    credits: Array,
    start: int,
) -> None:
    """One tree, one block, CHUNK quadrature nodes: products of weights down, sums of leaves up."""
    for i in range(general):
        place, slot = (first + i) * _PLACES, i * _SLOT
        left, right = _at(places, place + _LEFT) * _SLOT + _DOWN, _at(places, place + _RIGHT) * _SLOT + _DOWN
        ratio = _spread(numbers, (first + i) * _NUMBERS + _RATIO_LEFT)
        for k in range(CHUNK):
            share = _share(places, place, ratio, weights, weight + i * _WEIGHTS + k, slots, slot)
            mine = _load(slots, slot + _DOWN + k * LANES)
            lefts = _multiply(mine, share)
            _store(slots, slot + _UP + k * LANES, share)
            _store(slots, left + k * LANES, lefts)
            _store(slots, right + k * LANES, _subtract(mine, lefts))
    for i in range(splits - 1, -1, -1):
        place, slot, number = (first + i) * _PLACES, i * _SLOT, (first + i) * _NUMBERS
        total = _same(np.float32(0))
        if i >= general:
            last = _spread(numbers, number + _VALUE_RIGHT)
            apart = _subtract(_spread(numbers, number + _VALUE_LEFT), last)
            ratio = _spread(numbers, number + _RATIO_LEFT)
            for k in range(CHUNK):
                share = _share(places, place, ratio, weights, weight + i * _WEIGHTS + k, slots, slot)
                _store(slots, slot + _UP + k * LANES, _add(last, _multiply(share, apart)))
                scale = _spread(weights, weight + i * _WEIGHTS + _SCALE + k)
                total = _add(total, _multiply(_load(slots, slot + _DOWN + k * LANES), scale))
            total = _multiply(total, apart)
        else:
            left, right = _at(places, place + _LEFT) * _SLOT + _UP, _at(places, place + _RIGHT) * _SLOT + _UP
            for k in range(CHUNK):
                last = _load(slots, right + k * LANES)
                apart = _subtract(_load(slots, left + k * LANES), last)
                share = _load(slots, slot + _UP + k * LANES)
                _store(slots, slot + _UP + k * LANES, _add(last, _multiply(share, apart)))
                scale = _spread(weights, weight + i * _WEIGHTS + _SCALE + k)
                total = _add(total, _multiply(_multiply(_load(slots, slot + _DOWN + k * LANES), scale), apart))
        credit = start + _at(places, place + _CREDIT) * LANES
        gain = _multiply(total, _load(slots, slot + _WORTH))
        _store(credits, credit, _add(_load(credits, credit), gain))


@kept
def contribute(
    rows: Array,
    trees: Array,
    places: Array,
    numbers: Array,
    weights: Array,
    leaves: Array,
    nodes: Array,
    categories: Array,
    most_slots: int,
    sums: Array,
) -> None:
    """Add to float64[n, outputs] what each feature of float32[n, F] adds; between stand the fields of Tables."""
    n, features = rows.shape
    outputs = sums.shape[1]
    most_blocks = min(BLOCKS, (n + LANES - 1) // LANES)
    slots = _room(most_slots * _SLOT)
    columns = _room(most_blocks * 2 * features * LANES)
    credits = _room(most_blocks * outputs * LANES)
    credits[:] = 0.0
    for begin in range(0, n, BLOCKS * LANES):
        blocks = min(BLOCKS, (n - begin + LANES - 1) // LANES)
        _transpose(rows, begin, columns)
        for tree in range(0, len(trees), _TREE):
            first, splits, general = _at(trees, tree), _at(trees, tree + 1), _at(trees, tree + 2)
            first_leaf, weight = _at(trees, tree + 3), _at(trees, tree + 5)
            for leaf in range(_at(trees, tree + 4)):
                value = _spread(leaves, first_leaf + leaf)
                for k in range(CHUNK):
                    _store(slots, (splits + leaf) * _SLOT + _UP + k * LANES, value)
            for block in range(blocks):
                _decide(places, numbers, categories, first, splits, columns, block * 2 * features * LANES, slots)
                for chunk in range(_at(trees, tree + 6)):
                    for k in range(CHUNK):
                        node = _spread(nodes, _at(trees, tree + 7) + chunk * CHUNK + k)
                        _store(slots, _DOWN + k * LANES, node)
                    part = weight + chunk * splits * _WEIGHTS
                    _walk(
                        places, numbers, weights, first, splits, general, part, slots, credits, block * outputs * LANES
                    )
            if tree % (FLUSH * _TREE) == (FLUSH - 1) * _TREE or tree + _TREE == len(trees):
                for row in range(min(n - begin, BLOCKS * LANES)):
                    start = row // LANES * outputs * LANES + row % LANES
                    for output in range(outputs):
                        sums[begin + row, output] += credits[start + output * LANES]
                credits[:] = 0.0
