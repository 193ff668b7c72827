"""Tables that the kernel reads: per split, what the weights of its two sides follow from, and where its credit goes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windvane.serve_apps.versions.booster.forest import Floats, Forest, Integers
from windvane.serve_apps.versions.treeshap.paths import Paths, trace

CHUNK = 3  # quadrature nodes that the kernel takes at a time: enough for depth 6, and more than needed is exact too
_UPPER, _PARENT, _SINGLE, _OF_PAIR = range(4)  # kinds of splits
_BATCH_NODES = 16_384  # trees are prepared in batches of about this size, so that no step holds the interpreter long

Singles = NDArray[np.float32]
Counts = NDArray[np.int64]

# The columns of `Tables.trees`. A tree has a slot for each of its upper splits, which have a split below them that is
# no bottom; then for the parent of each pair, whose children are both bottoms: splits of two leaves, without slots;
# then for single bottoms, whose sibling is none; then for the leaves whose sibling is a split. `credits` is where its
# output's features begin.
TREE = (
    *("first_split", "upper", "pairs", "single"),
    *("first_leaf", "leaves"),
    *("first_repeat", "repeats"),
    *("chunks", "first_node"),
    "credits",
)
# The columns of `Tables.splits`, in that order too, a pair's bottoms right after their parent. `threshold`, `ratio` and
# a bottom's `left` and `right`, its leaves' values, are the bits of float32 numbers; an upper split's are slots, and
# the parent of a pair has none. `column` is twice the split's feature, plus 1 where a missing value goes right; for a
# split by category its complement, and `threshold` says where in `Tables.categories` that stands. `again` is -1 unless
# a split above is on the same feature: then it is the nearest one's slot, twice, plus 1 where the path leaves it to the
# right. `ratio` is the left child's cover over the split's.
PARENT = ("column", "again", "threshold", "ratio")
SPLIT = (*PARENT, "left", "right")
# The columns of `Tables.repeats`, one record for every split that repeats a feature: the product of the cover ratios of
# the conditions on it above the split, and 1 / a at each of CHUNK nodes for the feature's factor a above the split.
REPEAT = ("before", *(f"inverse_{k}" for k in range(CHUNK)))
NODE = ("weight", "place")  # of `Tables.nodes`, each CHUNK wide: the quadrature's weights and t


@dataclass(frozen=True, slots=True)
class Tables:
    """T trees of S splits, one record after the other in flat arrays, and as few bytes as can be: they are read again
    for every few rows, and whatever else the processor's cache held before has to be fetched again.
    """

    trees: Integers  # [T * len(TREE)]
    splits: Integers
    repeats: Singles  # [R * len(REPEAT)], of a tree chunk by chunk
    leaves: Singles  # values of the leaves that have a slot
    nodes: Singles  # of 1 * CHUNK nodes, of 2 * CHUNK nodes, …, chunk by chunk
    categories: Integers  # for each split by category how many words follow, and the words: a set bit goes right
    slots: int  # of the tree that has most


@dataclass(frozen=True, slots=True)
class _Part:
    """The tables of one batch of trees; `counts` has words, then those that TREE counts, of each."""

    counts: Counts
    splits: Integers
    repeats: Singles
    leaves: Singles


def build(forest: Forest) -> tuple[Tables, Floats]:
    """The tables, and float64[groups], the base values: the expected margin over the training rows' covers."""
    base, placed = forest.base.copy(), _category_places(forest)
    parts = []
    for first, last in _batches(forest):
        paths = trace(forest, first, last)
        leaves = np.flatnonzero(paths.reached & (paths.left < 0))
        values = paths.reach[leaves] * forest.value[paths.offset + leaves]
        base += np.bincount(forest.group[first + paths.tree[leaves]], values, forest.groups)
        parts.append(_part(forest, paths, placed))
    return _join(forest, parts), base


def gauss_legendre(chunks: int) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss and Legendre on (0, 1), exact for polynomials of degree 2 * CHUNK * chunks - 1.

    >>> nodes, weights = gauss_legendre(1)
    >>> float(round(weights @ nodes**5, 12)), round(1 / 6, 12)
    (0.166666666667, 0.166666666667)
    """
    places, weights = np.polynomial.legendre.leggauss(CHUNK * chunks)
    return (places + 1.0) / 2.0, weights / 2.0


def _batches(forest: Forest) -> Iterator[tuple[int, int]]:
    bounds = np.append(forest.roots, len(forest.left))
    first = 0
    while first < len(forest.roots):
        fits = int(np.searchsorted(bounds, bounds[first] + _BATCH_NODES, "right")) - 1
        last = max(first + 1, fits)
        yield first, last
        first = last


def _part(forest: Forest, paths: Paths, placed: Integers) -> _Part:
    """`placed` is of `_category_places`."""
    kind, order = _order(paths)
    split = paths.splits[order]
    left, right, tree, kind = paths.left[split], paths.right[split], paths.tree[split], kind[split]
    upper, pairs, single = (
        np.bincount(tree[kind == each], minlength=paths.trees) for each in (_UPPER, _PARENT, _SINGLE)
    )

    slot = np.zeros(len(paths.left), np.int32)
    slotted = kind != _OF_PAIR
    slot[split[slotted]] = _rank(upper + pairs + single)
    children = np.sort(np.concatenate([left[kind == _UPPER], right[kind == _UPPER]]))  # by number is by tree
    hanging = children[paths.left[children] < 0]
    leaves: Counts = np.bincount(paths.tree[hanging], minlength=paths.trees).astype(np.int64)
    slot[hanging] = (upper + pairs + single)[paths.tree[hanging]] + _rank(leaves)

    distinct = np.zeros(paths.trees, np.int64)
    np.maximum.at(distinct, paths.tree, paths.distinct)
    chunks = np.maximum(1, -(-distinct // (2 * CHUNK)))
    here = paths.offset + split
    before, above = paths.before[split], paths.above[split]
    column = 2 * forest.feature[here] + ~forest.missing_left[here]
    chosen = forest.category_start[here] >= 0
    again = 2 * slot[above] + (paths.left[above] != paths.entry[split])
    bottom = (kind == _OF_PAIR) | (kind == _SINGLE)
    splits_of = {
        "column": np.where(chosen, ~column, column),
        "again": np.where(above >= 0, again, -1),
        "threshold": np.where(chosen, placed[here], _bits(forest.threshold[here])),
        "ratio": _bits(paths.ratio[left]),
        "left": np.where(bottom, _bits(forest.value[paths.offset + left]), slot[left]),
        "right": np.where(bottom, _bits(forest.value[paths.offset + right]), slot[right]),
    }
    records = _records(SPLIT, splits_of, np.int32).reshape(-1, len(SPLIT))
    width = np.where(kind == _PARENT, len(PARENT), len(SPLIT))
    words: Counts = np.bincount(tree, width, paths.trees).astype(np.int64)
    repeated = np.flatnonzero(above >= 0)
    repeats: Counts = np.bincount(tree[repeated], minlength=paths.trees).astype(np.int64)
    return _Part(
        counts=np.stack([words, upper, pairs, single, leaves, repeats, chunks], axis=1),
        splits=records[np.arange(len(SPLIT)) < width[:, None]],
        repeats=_repeats(before[repeated], tree[repeated], repeats, chunks),
        leaves=forest.value[paths.offset + hanging].astype(np.float32),
    )


def _order(paths: Paths) -> tuple[NDArray[np.int8], Integers]:
    """The kind of each node that splits, and the order of `paths.splits` in the tables.

    Parents come before children, and like beside like: a branch that always goes one way costs nothing.
    """
    splits, leaf = paths.splits, paths.left < 0
    left, right = paths.left[splits], paths.right[splits]
    bottom = np.zeros(len(leaf), bool)
    bottom[splits] = leaf[left] & leaf[right]
    parents = bottom[left] & bottom[right]
    kind = np.where(bottom, _SINGLE, _UPPER).astype(np.int8)
    kind[splits[parents]] = _PARENT
    kind[left[parents]] = kind[right[parents]] = _OF_PAIR

    again = (paths.above >= 0).astype(np.int8)
    alike, pair, member = again.copy(), np.arange(len(leaf)), np.zeros(len(leaf), np.int8)
    parent, first, second = splits[parents], left[parents], right[parents]
    alike[parent] = alike[first] = alike[second] = 4 * again[parent] + 2 * again[first] + again[second]
    pair[first] = pair[second] = parent
    member[first], member[second] = 1, 2
    level = np.where(kind[splits] == _UPPER, paths.depth[splits], 0)
    group = np.where(kind == _OF_PAIR, _PARENT, kind)
    keys = (member[splits], pair[splits], alike[splits], level, group[splits], paths.tree[splits])
    return kind, np.lexsort(keys).astype(np.int32)


def _repeats(before: Floats, tree: Integers, repeats: Counts, chunks: Counts) -> Singles:
    """REPEAT at the nodes t of each split's tree; the feature's factor above the split is a = before (1 - t) + t."""
    ends = np.cumsum(repeats * chunks)
    found = np.zeros((int(ends[-1]), len(REPEAT)), np.float32)
    number = _rank(repeats)
    for count in np.unique(chunks):
        own = np.flatnonzero(chunks[tree] == count)
        starts = (ends - repeats * chunks)[tree[own]] + number[own]
        nodes, _ = gauss_legendre(int(count))
        for chunk, t in enumerate(nodes.reshape(-1, CHUNK)):
            factor = before[own, None] * (1.0 - t) + t
            found[starts + chunk * repeats[tree[own]]] = np.hstack([before[own, None], 1.0 / factor])
    return found.ravel()


def _join(forest: Forest, parts: list[_Part]) -> Tables:
    words, upper, pairs, single, leaves, repeats, chunks = np.concatenate([part.counts for part in parts]).T
    trees = {
        "first_split": np.cumsum(words) - words,
        "upper": upper,
        "pairs": pairs,
        "single": single,
        "first_leaf": np.cumsum(leaves) - leaves,
        "leaves": leaves,
        "first_repeat": np.cumsum(repeats * chunks) - repeats * chunks,
        "repeats": repeats,
        "chunks": chunks,
        "first_node": len(NODE) * CHUNK * (chunks - 1) * chunks // 2,
        "credits": forest.group * forest.features,
    }
    nodes = []
    for count in range(1, int(chunks.max()) + 1):
        t, weights = gauss_legendre(count)
        nodes.append(np.stack([weights, t]).reshape(len(NODE), -1, CHUNK).transpose(1, 0, 2).ravel())
    chosen = np.flatnonzero(forest.category_start >= 0)
    words = np.insert(forest.categories.view(np.int32), forest.category_start[chosen], forest.category_words[chosen])
    return Tables(
        trees=_records(TREE, trees, np.int32),
        splits=np.concatenate([part.splits for part in parts]),
        repeats=np.concatenate([part.repeats for part in parts]),
        leaves=np.concatenate([part.leaves for part in parts]),
        nodes=np.concatenate(nodes).astype(np.float32),
        categories=words,
        slots=max(1, int((upper + pairs + single + leaves).max())),  # a tree of one leaf starts its walk all the same
    )


def _records(order: tuple[str, ...], columns: Mapping[str, NDArray[Any]], kind: type) -> NDArray[Any]:
    """The columns side by side in the declared order, flat."""
    return np.stack([columns[name] for name in order], axis=1).astype(kind).ravel()


def _category_places(forest: Forest) -> Integers:
    """Places of each node's categories once their number goes before those of every node."""
    starts = np.sort(forest.category_start[forest.category_start >= 0])
    return forest.category_start + np.searchsorted(starts, forest.category_start).astype(np.int32)


def _bits(numbers: NDArray[Any]) -> Integers:
    """Of float32 numbers, as integers."""
    return numbers.astype(np.float32).view(np.int32)


def _rank(counts: Counts) -> Counts:
    """0, 1, … within each tree, for as many as it counts."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
