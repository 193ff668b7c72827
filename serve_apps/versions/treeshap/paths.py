"""Paths to each node of a batch of trees: cover ratios, merged where a feature comes again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from windvane.serve_apps.versions.booster.forest import Floats, Forest, Integers


@dataclass(frozen=True, slots=True)
class Paths:
    """Nodes are numbered from the batch's first, `offset` in the forest; what no root reaches is not `reached`."""

    offset: int
    trees: int
    tree: Integers  # per node, from the batch's first
    left: Integers
    right: Integers
    reached: NDArray[np.bool_]
    splits: Integers  # the reached nodes that split, top down
    depth: Integers  # per node
    above: Integers  # per split: the nearest split above it on the same feature, -1 if there is none
    entry: Integers  # per split: the child of that one on the way, -1 if there is none
    before: Floats  # per split: product of the cover ratios of all conditions on its feature above it
    ratio: Floats  # per node: its cover over its parent's
    reach: Floats  # per node: product of all cover ratios on its path
    distinct: Integers  # per node: different features on its path


def trace(forest: Forest, first: int, last: int) -> Paths:
    """The paths of trees `first` to `last`, the latter not included; level by level, all trees at once."""
    bounds = np.append(forest.roots, len(forest.left))
    offset, end = int(bounds[first]), int(bounds[last])
    left = np.maximum(forest.left[offset:end] - offset, -1)
    right = np.maximum(forest.right[offset:end] - offset, -1)
    feature = forest.feature[offset:end]
    nodes = end - offset

    parent = np.full(nodes, -1, np.int32)
    depth = np.full(nodes, -1, np.int32)
    level = bounds[first:last].astype(np.int32) - offset
    levels: list[Integers] = []
    while level.size:
        depth[level] = len(levels)
        split = level[left[level] >= 0]
        levels.append(split)
        level = np.concatenate([left[split], right[split]])
        parent[level] = np.tile(split, 2)
    splits = np.concatenate(levels)

    above, entry = _same_feature_above(splits, parent, feature, len(levels))
    ratio = _ratios(forest.cover[offset:end], parent)
    merged, before, reach = np.ones(nodes), np.ones(nodes), np.ones(nodes)
    distinct = np.zeros(nodes, np.int32)
    for split in levels:
        before[split] = np.where(entry[split] >= 0, merged[entry[split]], 1.0)
        for child in (left[split], right[split]):
            merged[child] = before[split] * ratio[child]
            reach[child] = reach[split] * ratio[child]
            distinct[child] = distinct[split] + (above[split] < 0)
    return Paths(
        offset=offset,
        trees=last - first,
        tree=np.repeat(np.arange(last - first, dtype=np.int32), np.diff(bounds[first : last + 1])),
        left=left,
        right=right,
        reached=depth >= 0,
        splits=splits,
        depth=depth,
        above=above,
        entry=entry,
        before=before,
        ratio=ratio,
        reach=reach,
        distinct=distinct,
    )


def _same_feature_above(
    splits: Integers, parent: Integers, feature: Integers, levels: int
) -> tuple[Integers, Integers]:
    above, entry = np.full(len(parent), -1, np.int32), np.full(len(parent), -1, np.int32)
    below, up, wanted = splits, parent[splits], splits
    for _ in range(levels):
        hit = feature[up] == feature[wanted]
        hit &= up >= 0
        above[wanted[hit]], entry[wanted[hit]] = up[hit], below[hit]
        going = ~hit & (up >= 0)
        below, wanted, up = up[going], wanted[going], parent[up[going]]
    return above, entry


def _ratios(cover: Floats, parent: Integers) -> Floats:
    """Each node's share of its parent; halves below a parent of no cover, where `pred_contribs` is NaN."""
    whole = np.where(parent >= 0, cover[parent], 1.0)
    return np.where(parent < 0, 1.0, np.where(whole > 0.0, cover / np.where(whole > 0.0, whole, 1.0), 0.5))
