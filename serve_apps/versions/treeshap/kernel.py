"""The walk over all trees, compiled by numba: as many rows at a time as a vector has lanes, one in each.

Parts get where arrays begin instead of arrays: numba counts references to arrays in a loop with branches, at three
times the price of all the rest.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from windvane.serve_apps.versions.compiling import compiled, kept
from windvane.serve_apps.versions.treeshap.lanes import (
    LANES,
    LINE,
    Lanes,
    Start,
    add,
    below,
    integer,
    load,
    multiply,
    number,
    put,
    same,
    spread,
    start_of,
    store,
    subtract,
)
from windvane.serve_apps.versions.treeshap.tables import CHUNK, NODE, REPEAT, SPLIT, TREE

Array = NDArray[Any]
BLOCKS = 64 // LANES  # blocks of LANES rows that go through a tree while its tables are in the cache
FLUSH = 32  # trees whose contributions are summed in float32 before they are added in float64

_TREE, _SPLIT, _REPEAT, _NODE = len(TREE), len(SPLIT), len(REPEAT), len(NODE) * CHUNK
_FIRST_SPLIT, _SPLITS, _GENERAL, _FIRST_LEAF, _LEAVES = range(5)
_FIRST_REPEAT, _REPEATS, _CHUNKS, _FIRST_NODE, _CREDITS = range(5, _TREE)
_COLUMN, _AGAIN, _THRESHOLD, _RATIO, _LEFT, _RIGHT = range(_SPLIT)
_KEPT_LEFT, _BEFORE, _STILL, _MOVED, _SCALE = 0, 1, *range(2, _REPEAT, CHUNK)
_WEIGHT, _PLACE, _REST = range(0, _NODE, CHUNK)

# What the walk keeps of one slot, in lanes: 1 where the row goes left; of a split that repeats its feature 1 where the
# row still follows the path to it, and what the side it takes is worth; and at each quadrature node the product of
# weights on the way down, which the sum of the leaves below replaces on the way up.
_GOES, _ALIVE, _WORTH, _NODES = 0, LANES, 2 * LANES, 3 * LANES
_SLOT = (3 + CHUNK) * LANES


@compiled
def _room(count: int) -> Array:
    """So many numbers, the first of which begins a line of the cache: a vector across two lines costs a third more."""
    numbers = np.empty(count + LINE, np.float32)
    first = (-(numbers.ctypes.data // 4)) % LINE
    return numbers[first : first + count]


@compiled
def _transpose(rows: Array, begin: int, columns: Array) -> None:
    """Rows to lanes; a missing value becomes −∞ in the first copy of its feature and +∞ in the second."""
    n, features = rows.shape
    for place in range(len(columns) // (2 * features)):
        row = min(begin + place, n - 1)
        start = place // LANES * 2 * features * LANES + place % LANES
        for feature in range(features):
            value = rows[row, feature]
            missing = value != value
            columns[start + 2 * feature * LANES] = -np.inf if missing else value
            columns[start + (2 * feature + 1) * LANES] = np.inf if missing else value


@compiled
def _among(columns: Start, column: int, categories: Start, first: int, slots: Start, target: int) -> None:
    """Category by category: those whose bit is set go right, as do missing ones that came as +∞."""
    bits = 32 * integer(categories, first)
    for lane in range(LANES):
        value = number(columns, column + lane)
        left = value != np.inf
        if value >= 0 and value < bits:
            code = np.int64(value)
            left = (integer(categories, first + 1 + (code >> 5)) >> (code & 31)) & 1 == 0
        put(slots, target + lane, np.float32(1.0 if left else 0.0))


@compiled
def _goes(
    anew: bool, splits: Start, at: int, categories: Start, columns: Start, start: int, slots: Start, slot: int
) -> Lanes:
    """_GOES, found `anew` or as it is in the slot."""
    if not anew:
        return load(slots, slot + _GOES)
    column = integer(splits, at + _COLUMN)
    if column < 0:
        _among(columns, start + ~column * LANES, categories, integer(splits, at + _THRESHOLD), slots, slot + _GOES)
        return load(slots, slot + _GOES)
    goes = below(load(columns, start + column * LANES), spread(splits, at + _THRESHOLD))
    store(slots, slot + _GOES, goes)
    return goes


@compiled
def _follow(anew: bool, goes: Lanes, again: int, repeats: Start, repeat: int, slots: Start, slot: int) -> Lanes:
    """_ALIVE of a split that repeats its feature, found `anew` together with _WORTH, or as it is in the slot."""
    if not anew:
        return load(slots, slot + _ALIVE)
    above = (again >> 2) * _SLOT
    alive = load(slots, above + _GOES)
    if again & 1 == 0:
        alive = subtract(same(np.float32(1)), alive)
    if again & 2:
        alive = multiply(load(slots, above + _ALIVE), alive)
    worth = subtract(multiply(goes, spread(repeats, repeat + _BEFORE)), spread(repeats, repeat + _KEPT_LEFT))
    store(slots, slot + _ALIVE, alive)
    store(slots, slot + _WORTH, multiply(worth, alive))
    return alive


@compiled
def _share(ratio: Lanes, goes: Lanes, nodes: Start, node: int) -> Lanes:
    """The left child's weight where no split above is on the feature."""
    return add(multiply(ratio, spread(nodes, node + _REST)), multiply(goes, spread(nodes, node + _PLACE)))


@compiled
def _share_again(ratio: Lanes, goes: Lanes, alive: Lanes, repeats: Start, repeat: int) -> Lanes:
    """The same where one is: by the row where it follows the feature's path, by cover elsewhere."""
    ours = add(spread(repeats, repeat + _STILL), multiply(goes, spread(repeats, repeat + _MOVED)))
    return add(ratio, multiply(alive, subtract(ours, ratio)))


@compiled
def _hand_down(share: Lanes, slots: Start, slot: int, left: int, right: int) -> None:
    """At one quadrature node, given as its place in the slots."""
    mine = load(slots, slot + _NODES)
    lefts = multiply(mine, share)
    store(slots, left + _NODES, lefts)
    store(slots, right + _NODES, subtract(mine, lefts))


@compiled
def _gather(share: Lanes, last: Lanes, apart: Lanes, slots: Start, slot: int) -> Lanes:
    """Leaves summed below a split at one quadrature node, on their way up; returns what the split adds at it."""
    added = multiply(load(slots, slot + _NODES), apart)
    store(slots, slot + _NODES, add(last, multiply(share, apart)))
    return added


@compiled
def _give(splits: Start, at: int, total: Lanes, worth: Lanes, credits: Start, credit: int) -> None:
    """Credit a split's feature."""
    column = integer(splits, at + _COLUMN)
    place = credit + ((~column if column < 0 else column) >> 1) * LANES
    store(credits, place, add(load(credits, place), multiply(total, worth)))


@compiled
def _walk(
    trees: Start,
    tree: int,
    chunk: int,
    splits: Start,
    repeats: Start,
    leaves: Start,
    nodes: Start,
    categories: Start,
    columns: Start,
    start: int,
    slots: Start,
    credits: Start,
    credit: int,
) -> None:
    """One tree, one block, one chunk of quadrature nodes: products of weights down, sums of leaves up.

    `start` and `credit` are where the block's lanes begin.
    """
    first, general = integer(trees, tree + _FIRST_SPLIT), integer(trees, tree + _GENERAL)
    count, anew = integer(trees, tree + _SPLITS), chunk == 0
    repeat = (integer(trees, tree + _FIRST_REPEAT) + chunk * integer(trees, tree + _REPEATS)) * _REPEAT
    node = integer(trees, tree + _FIRST_NODE) + chunk * _NODE
    for k in range(CHUNK):
        store(slots, _NODES + k * LANES, spread(nodes, node + _WEIGHT + k))
    for i in range(general):
        at, slot = (first + i) * _SPLIT, i * _SLOT
        left, right = integer(splits, at + _LEFT) * _SLOT, integer(splits, at + _RIGHT) * _SLOT
        goes = _goes(anew, splits, at, categories, columns, start, slots, slot)
        ratio, again = spread(splits, at + _RATIO), integer(splits, at + _AGAIN)
        if again < 0:
            for k in range(CHUNK):
                lanes = k * LANES
                _hand_down(_share(ratio, goes, nodes, node + k), slots, slot + lanes, left + lanes, right + lanes)
        else:
            alive = _follow(anew, goes, again, repeats, repeat, slots, slot)
            for k in range(CHUNK):
                lanes = k * LANES
                share = _share_again(ratio, goes, alive, repeats, repeat + k)
                _hand_down(share, slots, slot + lanes, left + lanes, right + lanes)
            repeat += _REPEAT
    general_repeats = repeat
    for i in range(integer(trees, tree + _LEAVES)):
        value = spread(leaves, integer(trees, tree + _FIRST_LEAF) + i)
        for k in range(CHUNK):
            store(slots, (count + i) * _SLOT + _NODES + k * LANES, value)
    for i in range(general, count):
        at, slot = (first + i) * _SPLIT, i * _SLOT
        goes = _goes(anew, splits, at, categories, columns, start, slots, slot)
        ratio, again = spread(splits, at + _RATIO), integer(splits, at + _AGAIN)
        last = spread(splits, at + _RIGHT)
        apart = subtract(spread(splits, at + _LEFT), last)
        total = same(np.float32(0))
        if again < 0:
            for k in range(CHUNK):
                total = add(total, _gather(_share(ratio, goes, nodes, node + k), last, apart, slots, slot + k * LANES))
            worth = subtract(goes, ratio)
        else:
            alive = _follow(anew, goes, again, repeats, repeat, slots, slot)
            for k in range(CHUNK):
                share = _share_again(ratio, goes, alive, repeats, repeat + k)
                part = _gather(share, last, apart, slots, slot + k * LANES)
                total = add(total, multiply(part, spread(repeats, repeat + _SCALE + k)))
            worth = load(slots, slot + _WORTH)
            repeat += _REPEAT
        _give(splits, at, total, worth, credits, credit)
    repeat = general_repeats
    for i in range(general - 1, -1, -1):
        at, slot = (first + i) * _SPLIT, i * _SLOT
        left, right = integer(splits, at + _LEFT) * _SLOT + _NODES, integer(splits, at + _RIGHT) * _SLOT + _NODES
        ratio, goes, again = spread(splits, at + _RATIO), load(slots, slot + _GOES), integer(splits, at + _AGAIN)
        total = same(np.float32(0))
        if again < 0:
            worth = subtract(goes, ratio)
            for k in range(CHUNK):
                lanes = k * LANES
                last = load(slots, right + lanes)
                apart = subtract(load(slots, left + lanes), last)
                total = add(total, _gather(_share(ratio, goes, nodes, node + k), last, apart, slots, slot + lanes))
        else:
            repeat -= _REPEAT
            alive, worth = load(slots, slot + _ALIVE), load(slots, slot + _WORTH)
            for k in range(CHUNK):
                lanes = k * LANES
                last = load(slots, right + lanes)
                apart = subtract(load(slots, left + lanes), last)
                share = _share_again(ratio, goes, alive, repeats, repeat + k)
                part = _gather(share, last, apart, slots, slot + lanes)
                total = add(total, multiply(part, spread(repeats, repeat + _SCALE + k)))
        _give(splits, at, total, worth, credits, credit)


@kept
def contribute(
    rows: Array,
    trees: Array,
    splits: Array,
    repeats: Array,
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
            for block in range(blocks):
                for chunk in range(integer(trees, tree + _CHUNKS)):
                    _walk(
                        start_of(trees),
                        tree,
                        chunk,
                        start_of(splits),
                        start_of(repeats),
                        start_of(leaves),
                        start_of(nodes),
                        start_of(categories),
                        start_of(columns),
                        block * 2 * features * LANES,
                        start_of(slots),
                        start_of(credits),
                        (block * outputs + integer(trees, tree + _CREDITS)) * LANES,
                    )
            if tree % (FLUSH * _TREE) == (FLUSH - 1) * _TREE or tree + _TREE == len(trees):
                for row in range(min(n - begin, BLOCKS * LANES)):
                    start = row // LANES * outputs * LANES + row % LANES
                    for output in range(outputs):
                        sums[begin + row, output] += credits[start + output * LANES]
                credits[:] = 0.0
