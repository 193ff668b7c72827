"""Nodes that the walk reads: eight bytes each, level after level of a tree, a node's children side by side."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windvane.serve_apps.versions.booster.forest import Forest, Integers, Unsupported

LANES = 8  # trees that are walked at a time: while one waits for its node the others go on
MOST = 2**16  # columns, and nodes that may lie between a node and its children: what two bytes hold
NODE = np.dtype([("threshold", np.float32), ("column", np.uint16), ("ahead", np.uint16)])
# Numbers in `Nodes.groups` of LANES trees: their roots, the most steps to a leaf, first and last node.
GROUP = LANES + 3
QUESTION = ("feature", "missing_left", "first_word", "words")  # the columns of `Nodes.questions`


@dataclass(frozen=True, slots=True)
class Nodes:
    """N nodes of T trees. A node's right child lies `ahead` places behind it, and the left one behind that.

    The walk widens a row of F features to `columns` numbers: the features with −∞ where one is missing, the features
    with +∞ there, +∞, and an answer to each categorical question: 0 for left, 1 for right. A node sends a row left
    where its `column` is below its `threshold`. A leaf has its value there, which +∞ is never below, and is 0 places
    `ahead`: who has arrived stays.
    """

    features: int
    columns: int
    packed: NDArray[Any]  # [N] of NODE
    groups: Integers  # flat, GROUP each; the last node does not belong to it any more
    questions: Integers  # flat, len(QUESTION) each
    categories: NDArray[np.uint32]


def pack(forest: Forest) -> Nodes:
    """The nodes that the roots reach, trees of like depth together; raises Unsupported where two bytes do not do."""
    levels = _levels(forest)
    tree = np.full(len(forest.left), -1, np.int32)
    depth = np.zeros(len(forest.roots), np.int32)
    for steps, (nodes, trees) in enumerate(levels):
        tree[nodes], depth[trees] = trees, steps
    ranked = np.argsort(depth, kind="stable")
    rank = np.argsort(ranked)
    order = np.concatenate([nodes for nodes, _ in levels])
    order = order[np.argsort(rank[tree[order]], kind="stable")]
    place = np.zeros(len(forest.left), np.int32)
    place[order] = np.arange(len(order))

    asked, questions = _questions(forest)
    column = forest.feature + np.where(forest.missing_left, 0, forest.features)
    column = np.where(asked >= 0, 2 * forest.features + 1 + asked, column)
    inner = forest.left >= 0
    column = np.where(inner, column, 2 * forest.features)[order]
    ahead = np.where(inner, place[forest.right] - place, 0)[order]
    if max(int(column.max()), int(ahead.max())) >= MOST:
        raise Unsupported(f"it has more than {MOST:,} columns, or a tree with about as many nodes in two levels")

    packed = np.zeros(len(order) + 1, NODE)  # the last one is a tree of nothing, for lanes without a tree
    packed["threshold"][:-1] = np.where(inner, np.where(asked >= 0, 0.5, forest.threshold), forest.value)[order]
    packed["column"] = 2 * forest.features
    packed["column"][:-1], packed["ahead"][:-1] = column, ahead
    roots = np.full((-(-len(ranked) // LANES), LANES), len(order), np.int32)
    roots.ravel()[: len(ranked)] = place[forest.roots[ranked]]
    most = np.maximum.reduceat(depth[ranked], np.arange(0, len(ranked), LANES))
    last = np.append(roots[1:, 0], len(order))
    return Nodes(
        features=forest.features,
        columns=2 * forest.features + 1 + len(questions),
        packed=packed,
        groups=np.column_stack([roots, most, roots[:, 0], last]).astype(np.int32).ravel(),
        questions=questions.ravel(),
        categories=forest.categories,
    )


def _levels(forest: Forest) -> list[tuple[Integers, Integers]]:
    """The nodes of each level of all trees, right child before left, and the tree of each."""
    level, tree = forest.roots, np.arange(len(forest.roots), dtype=np.int32)
    levels = []
    while level.size:
        levels.append((level, tree))
        splits = forest.left[level] >= 0
        level, tree = level[splits], np.repeat(tree[splits], 2)
        level = np.column_stack([forest.right[level], forest.left[level]]).ravel()
    return levels


def _questions(forest: Forest) -> tuple[Integers, Integers]:
    """Per node the number of its categorical question, -1 without; and the different questions, [K, len(QUESTION)]."""
    nodes = np.flatnonzero((forest.category_start >= 0) & (forest.left >= 0))
    numbers = np.full(len(forest.left), -1, np.int32)
    known: dict[tuple[int, bool, bytes], int] = {}
    questions: list[tuple[int, bool, int, int]] = []
    for node in nodes.tolist():
        feature, missing_left = int(forest.feature[node]), bool(forest.missing_left[node])
        first, words = int(forest.category_start[node]), int(forest.category_words[node])
        key = (feature, missing_left, forest.categories[first : first + words].tobytes())
        if key not in known:
            known[key] = len(questions)
            questions.append((feature, missing_left, first, words))
        numbers[node] = known[key]
    return numbers, np.array(questions, np.int32).reshape(-1, len(QUESTION))
