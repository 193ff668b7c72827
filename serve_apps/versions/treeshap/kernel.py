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
    choose,
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
from windvane.serve_apps.versions.treeshap.tables import CHUNK, NODE, PARENT, REPEAT, SPLIT, TREE

Array = NDArray[Any]
Nodes = tuple[Lanes, Lanes, Lanes]  # one at each of CHUNK quadrature nodes
BLOCKS = 64 // LANES  # blocks of LANES rows that go through a tree while its tables are in the cache
FLUSH = 32  # trees whose contributions are summed in float32 before they are added in float64

_TREE, _SPLIT, _REPEAT, _NODE = len(TREE), len(SPLIT), len(REPEAT), len(NODE) * CHUNK
_FIRST_SPLIT, _UPPER, _PAIRS, _SINGLE, _FIRST_LEAF, _LEAVES = range(6)
_FIRST_REPEAT, _REPEATS, _CHUNKS, _FIRST_NODE, _CREDITS = range(6, _TREE)
_COLUMN, _AGAIN, _THRESHOLD, _RATIO, _LEFT, _RIGHT = range(_SPLIT)
_BEFORE, _INVERSE = 0, 1
_WEIGHT, _PLACE = 0, CHUNK

# What the walk keeps of one slot, in lanes: the lead of an upper split, and at each quadrature node the product of
# weights on the way down, which the sum of the leaves below replaces on the way up.
_LEAD, _NODES = 0, LANES
_SLOT = (1 + CHUNK) * LANES
_PARENT = len(PARENT)
_PAIR = _PARENT + 2 * _SPLIT


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
def _among(columns: Start, column: int, categories: Start, first: int) -> int:
    """Category by category: those whose bit is set go right, as do missing ones that came as +∞."""
    bits = 32 * integer(categories, first)
    lefts = 0
    for lane in range(LANES):
        value = number(columns, column + lane)
        left = value != np.inf
        if value >= 0 and value < bits:
            code = np.int64(value)
            left = (integer(categories, first + 1 + (code >> 5)) >> (code & 31)) & 1 == 0
        if left:
            lefts |= 1 << lane
    return lefts


@compiled
def _lefts(splits: Start, at: int, categories: Start, columns: Start, start: int) -> int:
    """A bit per lane, set where the row goes left."""
    column = integer(splits, at + _COLUMN)
    if column < 0:
        return _among(columns, start + ~column * LANES, categories, integer(splits, at + _THRESHOLD))
    lefts: int = below(load(columns, start + column * LANES), spread(splits, at + _THRESHOLD))
    return lefts


@compiled
def _lead(lefts: int, ratio: Lanes) -> Lanes:
    """1 - ratio where the row goes left, -ratio elsewhere: by how much the row is more at the left than cover says."""
    return subtract(choose(lefts, same(np.float32(1)), same(np.float32(0))), ratio)


@compiled
def _none() -> Lanes:
    return same(np.float32(0))


@compiled
def _remember(masks: Start, slot: int, lefts: int, rights: int) -> None:
    """Keep which rows still follow the path to either side, for splits below on the same feature."""
    put(masks, 2 * slot, lefts)
    put(masks, 2 * slot + 1, rights)


@compiled
def _spread_nodes(numbers: Start, at: int) -> Nodes:
    return spread(numbers, at), spread(numbers, at + 1), spread(numbers, at + 2)


@compiled
def _load_nodes(slots: Start, at: int) -> Nodes:
    return load(slots, at), load(slots, at + LANES), load(slots, at + 2 * LANES)


@compiled
def _store_nodes(slots: Start, at: int, each: Nodes) -> None:
    first, second, third = each
    store(slots, at, first)
    store(slots, at + LANES, second)
    store(slots, at + 2 * LANES, third)


@compiled
def _times(ones: Nodes, others: Nodes) -> Nodes:
    return multiply(ones[0], others[0]), multiply(ones[1], others[1]), multiply(ones[2], others[2])


@compiled
def _minus(ones: Nodes, others: Nodes) -> Nodes:
    return subtract(ones[0], others[0]), subtract(ones[1], others[1]), subtract(ones[2], others[2])


@compiled
def _along(start: Nodes, steps: Nodes, way: Nodes) -> Nodes:
    """start + step * way at each node."""
    return (
        add(start[0], multiply(steps[0], way[0])),
        add(start[1], multiply(steps[1], way[1])),
        add(start[2], multiply(steps[2], way[2])),
    )


@compiled
def _sum(each: Nodes) -> Lanes:
    return add(add(each[0], each[1]), each[2])


@compiled
def _credit(splits: Start, at: int, amount: Lanes, credits: Start, credit: int) -> None:
    """Credit a split's feature."""
    column = integer(splits, at + _COLUMN)
    place = credit + ((~column if column < 0 else column) >> 1) * LANES
    store(credits, place, add(load(credits, place), amount))


@compiled
def _two_leaves(
    splits: Start,
    at: int,
    repeats: Start,
    repeat: int,
    categories: Start,
    columns: Start,
    start: int,
    masks: Start,
    places: Nodes,
    product: Nodes,
    credits: Start,
    credit: int,
) -> tuple[Nodes, int]:
    """A bottom: its leaves summed at each quadrature node, and the next repeat."""
    lefts, again = _lefts(splits, at, categories, columns, start), integer(splits, at + _AGAIN)
    ratio, right = spread(splits, at + _RATIO), spread(splits, at + _RIGHT)
    apart = subtract(spread(splits, at + _LEFT), right)
    way, by_cover = multiply(_lead(lefts, ratio), apart), add(right, multiply(ratio, apart))
    if again < 0:
        _credit(splits, at, multiply(way, _sum(product)), credits, credit)
        return _along((by_cover, by_cover, by_cover), places, (way, way, way)), repeat
    way, inverse = choose(integer(masks, again), way, _none()), _spread_nodes(repeats, repeat + _INVERSE)
    total = _sum(_times(product, _times(inverse, inverse)))
    _credit(splits, at, multiply(multiply(way, spread(repeats, repeat + _BEFORE)), total), credits, credit)
    return _along((by_cover, by_cover, by_cover), _times(places, inverse), (way, way, way)), repeat + _REPEAT


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
    masks: Start,
    credits: Start,
    credit: int,
) -> None:
    """One tree, one block, one chunk of quadrature nodes: products of weights down, sums of leaves up.

    `start` and `credit` are where the block's lanes begin. A split's left child has the weight ratio + step * lead.
    """
    first, upper = integer(trees, tree + _FIRST_SPLIT), integer(trees, tree + _UPPER)
    pairs, single = integer(trees, tree + _PAIRS), integer(trees, tree + _SINGLE)
    repeat = (integer(trees, tree + _FIRST_REPEAT) + chunk * integer(trees, tree + _REPEATS)) * _REPEAT
    node = integer(trees, tree + _FIRST_NODE) + chunk * _NODE
    places = _spread_nodes(nodes, node + _PLACE)
    _store_nodes(slots, _NODES, _spread_nodes(nodes, node + _WEIGHT))
    for i in range(upper):
        at, slot = first + i * _SPLIT, i * _SLOT
        left, right = integer(splits, at + _LEFT) * _SLOT + _NODES, integer(splits, at + _RIGHT) * _SLOT + _NODES
        lefts, again = _lefts(splits, at, categories, columns, start), integer(splits, at + _AGAIN)
        ratio, steps = spread(splits, at + _RATIO), places
        lead = _lead(lefts, ratio)
        if again < 0:
            _remember(masks, i, lefts, ~lefts)
        else:
            alive = integer(masks, again)
            lead, steps = choose(alive, lead, _none()), _times(places, _spread_nodes(repeats, repeat + _INVERSE))
            repeat += _REPEAT
            _remember(masks, i, lefts & alive, ~lefts & alive)
        store(slots, slot + _LEAD, lead)
        product = _load_nodes(slots, slot + _NODES)
        lefts_product = _times(product, _along((ratio, ratio, ratio), steps, (lead, lead, lead)))
        _store_nodes(slots, left, lefts_product)
        _store_nodes(slots, right, _minus(product, lefts_product))
    upper_repeat = repeat
    at = first + upper * _SPLIT
    for i in range(upper, upper + pairs):
        slot = i * _SLOT + _NODES
        lefts, again = _lefts(splits, at, categories, columns, start), integer(splits, at + _AGAIN)
        ratio, steps = spread(splits, at + _RATIO), places
        lead, product = _lead(lefts, ratio), _load_nodes(slots, slot)
        worth, scaled = lead, product
        if again < 0:
            _remember(masks, i, lefts, ~lefts)
        else:
            alive, inverse = integer(masks, again), _spread_nodes(repeats, repeat + _INVERSE)
            lead, steps = choose(alive, lead, _none()), _times(places, inverse)
            worth, scaled = multiply(lead, spread(repeats, repeat + _BEFORE)), _times(product, _times(inverse, inverse))
            repeat += _REPEAT
            _remember(masks, i, lefts & alive, ~lefts & alive)
        shares = _along((ratio, ratio, ratio), steps, (lead, lead, lead))
        below, from_left = at + _PARENT, _times(product, shares)
        from_left, repeat = _two_leaves(
            splits, below, repeats, repeat, categories, columns, start, masks, places, from_left, credits, credit
        )
        below, from_right = below + _SPLIT, _minus(product, _times(product, shares))
        from_right, repeat = _two_leaves(
            splits, below, repeats, repeat, categories, columns, start, masks, places, from_right, credits, credit
        )
        apart = _minus(from_left, from_right)
        _store_nodes(slots, slot, _along(from_right, shares, apart))
        _credit(splits, at, multiply(worth, _sum(_times(scaled, apart))), credits, credit)
        at += _PAIR
    for i in range(upper + pairs, upper + pairs + single):
        slot = i * _SLOT + _NODES
        product = _load_nodes(slots, slot)
        summed, repeat = _two_leaves(
            splits, at, repeats, repeat, categories, columns, start, masks, places, product, credits, credit
        )
        _store_nodes(slots, slot, summed)
        at += _SPLIT
    for i in range(integer(trees, tree + _LEAVES)):
        value = spread(leaves, integer(trees, tree + _FIRST_LEAF) + i)
        _store_nodes(slots, (upper + pairs + single + i) * _SLOT + _NODES, (value, value, value))
    repeat = upper_repeat
    for i in range(upper - 1, -1, -1):
        at, slot = first + i * _SPLIT, i * _SLOT
        left, right = integer(splits, at + _LEFT) * _SLOT + _NODES, integer(splits, at + _RIGHT) * _SLOT + _NODES
        ratio, lead, again = spread(splits, at + _RATIO), load(slots, slot + _LEAD), integer(splits, at + _AGAIN)
        worth, steps, scaled = lead, places, _load_nodes(slots, slot + _NODES)
        if again >= 0:
            repeat -= _REPEAT
            inverse = _spread_nodes(repeats, repeat + _INVERSE)
            worth, steps = multiply(lead, spread(repeats, repeat + _BEFORE)), _times(places, inverse)
            scaled = _times(scaled, _times(inverse, inverse))
        from_right = _load_nodes(slots, right)
        apart = _minus(_load_nodes(slots, left), from_right)
        shares = _along((ratio, ratio, ratio), steps, (lead, lead, lead))
        _store_nodes(slots, slot + _NODES, _along(from_right, shares, apart))
        _credit(splits, at, multiply(worth, _sum(_times(scaled, apart))), credits, credit)


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
    masks = np.empty(2 * most_slots, np.int64)
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
                        start_of(masks),
                        start_of(credits),
                        (block * outputs + integer(trees, tree + _CREDITS)) * LANES,
                    )
            if tree % (FLUSH * _TREE) == (FLUSH - 1) * _TREE or tree + _TREE == len(trees):
                for row in range(min(n - begin, BLOCKS * LANES)):
                    start = row // LANES * outputs * LANES + row % LANES
                    for output in range(outputs):
                        sums[begin + row, output] += credits[start + output * LANES]
                credits[:] = 0.0
