"""What the kernel reads: per split, the weights of its two sides at each quadrature node, and where its credit goes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serve_apps.booster.forest import Floats, Forest, Integers
from serve_apps.treeshap.paths import Paths, trace

CHUNK = 3  # quadrature nodes that the kernel takes at a time: enough for depth 6, and more than needed is exact too
_BATCH_NODES = 16_384  # trees are prepared in batches of about this size, so that no step holds the interpreter long

Singles = NDArray[np.float32]
Counts = NDArray[np.int64]

# The columns of `Tables.trees`. A tree has a slot for each of its splits, those with a split below them ("general")
# first, and then a slot for each leaf that hangs on a general split.
TREE = ("first_split", "splits", "general", "first_leaf", "leaves", "first_weight", "chunks", "first_node")
# The columns of `Tables.places`. `column` is the split's feature, plus the number of features where a missing value
# goes right; `credit` is group * features + feature; `again` the slot of the nearest split above on the same feature or
# -1, `again_left` 1 where the path leaves that one to the left; `categories` -1 where the split is by number.
PLACES = ("column", "credit", "left", "right", "again", "again_left", "categories", "category_words")
# The columns of `Tables.numbers`. `kept_*` is the product of the cover ratios of the conditions on this feature, down
# to that child; `ratio_left` the left child's cover over the split's; `value_*` the leaves of a split that has two.
NUMBERS = ("threshold", "kept_left", "kept_right", "ratio_left", "value_left", "value_right")
# The columns of `Tables.weights`, each CHUNK wide. `still` is the left child's weight when the row goes right, `moved`
# what it gains when the row goes left, `scale` 1 / a² for the feature's factor a above the split.
WEIGHTS = ("still", "moved", "scale")


@dataclass(frozen=True, slots=True)
class Tables:
    """T trees of S splits, one record after the other in flat arrays."""

    trees: Integers  # [T * len(TREE)]
    places: Integers  # [S * len(PLACES)]
    numbers: Singles  # [S * len(NUMBERS)]
    weights: Singles  # [(S * chunks) * len(WEIGHTS) * CHUNK], of a tree chunk by chunk
    leaves: Singles  # values of the leaves that have a slot
    nodes: Singles  # quadrature weights of 1 * CHUNK nodes, of 2 * CHUNK nodes, …
    categories: NDArray[np.uint32]
    slots: int  # of the tree that has most


@dataclass(frozen=True, slots=True)
class _Part:
    """The tables of one batch of trees; `counts` are splits, general, leaves and chunks of each."""

    counts: Counts
    places: Integers
    numbers: Singles
    weights: Singles
    leaves: Singles


def build(forest: Forest) -> tuple[Tables, Floats]:
    """The tables, and float64[groups], the base values: the expected margin over the training rows' covers."""
    base = forest.base.copy()
    parts = []
    for first, last in _batches(forest):
        paths = trace(forest, first, last)
        leaves = np.flatnonzero(paths.reached & (paths.left < 0))
        values = paths.reach[leaves] * forest.value[paths.offset + leaves]
        base += np.bincount(forest.group[first + paths.tree[leaves]], values, forest.groups)
        parts.append(_part(forest, paths, first))
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


def _part(forest: Forest, paths: Paths, first: int) -> _Part:
    left, right = paths.left[paths.splits], paths.right[paths.splits]
    two_leaves = (paths.left[left] < 0) & (paths.left[right] < 0)
    # parents before children, and like beside like: a branch that always goes one way costs nothing
    depth = np.where(two_leaves, 0, paths.depth[paths.splits])
    order = np.lexsort((paths.above[paths.splits] >= 0, depth, two_leaves, paths.tree[paths.splits]))
    split, left, right, two_leaves = paths.splits[order], left[order], right[order], two_leaves[order]
    tree = paths.tree[split]
    splits: Counts = np.bincount(tree, minlength=paths.trees).astype(np.int64)

    slot = np.zeros(len(paths.left), np.int32)
    slot[split] = _rank(splits)
    children = np.sort(np.concatenate([left[~two_leaves], right[~two_leaves]]))  # by number is by tree
    hanging = children[paths.left[children] < 0]
    leaves: Counts = np.bincount(paths.tree[hanging], minlength=paths.trees).astype(np.int64)
    slot[hanging] = splits[paths.tree[hanging]] + _rank(leaves)

    distinct = np.zeros(paths.trees, np.int64)
    np.maximum.at(distinct, paths.tree, paths.distinct)
    chunks = np.maximum(1, -(-distinct // (2 * CHUNK)))
    here = paths.offset + split
    feature = forest.feature[here]
    before, above = paths.before[split], paths.above[split]
    places: dict[str, NDArray[Any]] = {
        "column": feature + np.where(forest.missing_left[here], 0, forest.features),
        "credit": forest.group[first + tree] * forest.features + feature,
        "left": slot[left],
        "right": slot[right],
        "again": np.where(above >= 0, slot[above], -1),
        "again_left": paths.left[above] == paths.entry[split],
        "categories": forest.category_start[here],
        "category_words": forest.category_words[here],
    }
    numbers: dict[str, NDArray[Any]] = {
        "threshold": forest.threshold[here],
        "kept_left": before * paths.ratio[left],
        "kept_right": before * paths.ratio[right],
        "ratio_left": paths.ratio[left],
        "value_left": forest.value[paths.offset + left],
        "value_right": forest.value[paths.offset + right],
    }
    return _Part(
        counts=np.stack([splits, np.bincount(tree[~two_leaves], minlength=paths.trees), leaves, chunks], axis=1),
        places=_records(PLACES, places, np.int32),
        numbers=_records(NUMBERS, numbers, np.float32),
        weights=_weights(before, before * paths.ratio[left], tree, slot[split], splits, chunks),
        leaves=forest.value[paths.offset + hanging].astype(np.float32),
    )


def _weights(
    before: Floats, kept_left: Floats, tree: Integers, slot: Integers, splits: Counts, chunks: Counts
) -> Singles:
    """WEIGHTS at the nodes t of each split's tree; the feature's factor above the split is a = before (1 - t) + t."""
    ends = np.cumsum(splits * chunks)
    found = np.zeros((int(ends[-1]), len(WEIGHTS), CHUNK), np.float32)
    for count in np.unique(chunks):
        own = np.flatnonzero(chunks[tree] == count)
        starts = (ends - splits * chunks)[tree[own]] + slot[own]
        nodes, _ = gauss_legendre(int(count))
        for chunk, t in enumerate(nodes.reshape(-1, CHUNK)):
            factor = before[own, None] * (1.0 - t) + t
            still = kept_left[own, None] * (1.0 - t) / factor
            found[starts + chunk * splits[tree[own]]] = np.stack([still, t / factor, 1.0 / factor**2], axis=1)
    return found.ravel()


def _join(forest: Forest, parts: list[_Part]) -> Tables:
    splits, general, leaves, chunks = np.concatenate([part.counts for part in parts]).T
    trees = {
        "first_split": np.cumsum(splits) - splits,
        "splits": splits,
        "general": general,
        "first_leaf": np.cumsum(leaves) - leaves,
        "leaves": leaves,
        "first_weight": (np.cumsum(splits * chunks) - splits * chunks) * len(WEIGHTS) * CHUNK,
        "chunks": chunks,
        "first_node": CHUNK * (chunks - 1) * chunks // 2,
    }
    nodes = [gauss_legendre(count)[1] for count in range(1, int(chunks.max()) + 1)]
    return Tables(
        trees=_records(TREE, trees, np.int32),
        places=np.concatenate([part.places for part in parts]),
        numbers=np.concatenate([part.numbers for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        leaves=np.concatenate([part.leaves for part in parts]),
        nodes=np.concatenate(nodes).astype(np.float32),
        categories=forest.categories,
        slots=max(1, int((splits + leaves).max())),  # a tree of one leaf starts its walk all the same
    )


def _records(order: tuple[str, ...], columns: Mapping[str, NDArray[Any]], kind: type) -> NDArray[Any]:
    """The columns side by side in the declared order, flat."""
    return np.stack([columns[name] for name in order], axis=1).astype(kind).ravel()


def _rank(counts: Counts) -> Counts:
    """0, 1, … within each tree, for as many as it counts."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
