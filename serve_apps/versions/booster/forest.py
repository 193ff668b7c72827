"""The trees of an XGBoost model file as flat arrays: what a row's way through them needs, and nothing of xgboost."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from windvane.cluster.errors import Malformed
from windvane.serve_apps.versions.booster.ubjson import decode

Integers = NDArray[np.int32]
Floats = NDArray[np.float64]

_RIGHT_OF_MISSING = 2**24  # xgboost takes no category beyond it


class Unsupported(Exception):
    """This booster cannot be used as asked, but xgboost itself may do; the text says why."""


@dataclass(frozen=True, slots=True)
class Forest:
    """N nodes of T trees, one tree after the other; `left` and `right` count over all nodes, -1 in a leaf.

    `value` is the leaf's, DART weight included; `cover` the sum of hessians that reached the node in training.
    A categorical node has its categories that go right as bits `categories[category_start:][:category_words]`.
    """

    features: int
    objective: str
    groups: int  # classes, or targets: 1 unless the booster predicts several numbers
    base: Floats  # [groups] in margin space
    roots: Integers  # [T]
    group: Integers  # [T]
    left: Integers
    right: Integers
    feature: Integers
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    value: Floats
    cover: Floats
    category_start: Integers  # -1 where the split is by number
    category_words: Integers
    categories: NDArray[np.uint32]


def read_forest(document: bytes) -> Forest:
    """The forest in a model file as `Booster.save_model` writes it (UBJSON); raises Unsupported with the reason."""
    try:
        learner = decode(document)["learner"]
        booster = learner["gradient_booster"]
        kind = booster["name"]
        if kind not in ("gbtree", "dart"):
            raise Unsupported(f"its booster is {kind!r}, not trees")
        model = booster["gbtree"]["model"] if kind == "dart" else booster["model"]
        trees = model["trees"]
        weights = np.asarray(booster["weight_drop"] if kind == "dart" else np.ones(len(trees)), np.float64)
        return _flatten(learner, model, trees, weights)
    except (KeyError, TypeError, ValueError, IndexError, Malformed) as error:
        raise Unsupported(f"its file is not as xgboost 3 writes it ({type(error).__name__}: {error})") from error


def _flatten(learner: Mapping[str, Any], model: Mapping[str, Any], trees: list[Any], weights: Floats) -> Forest:
    if any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in trees):
        raise Unsupported("its leaves hold vectors (multi_strategy=multi_output_tree)")
    if not trees:
        raise Unsupported("it has no trees")
    parameters = learner["learner_model_param"]
    groups = max(1, int(parameters["num_class"]), int(parameters["num_target"]))
    sizes = np.array([len(tree["left_children"]) for tree in trees], np.int64)
    roots = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)

    def column(name: str, kind: type) -> NDArray[Any]:
        return np.concatenate([np.asarray(tree[name]) for tree in trees]).astype(kind)

    shift = np.repeat(roots[:-1], sizes)
    left, right = column("left_children", np.int32), column("right_children", np.int32)
    inner = left >= 0
    conditions = column("split_conditions", np.float32)
    starts, words, categories = _categories(trees, roots, len(left))
    numeric = inner & (starts < 0)
    if np.isneginf(conditions[numeric]).any() or np.isnan(conditions[numeric]).any():
        raise Unsupported("a split compares with minus infinity or with no number")
    forest = Forest(
        features=int(parameters["num_feature"]),
        objective=str(learner["objective"]["name"]),
        groups=groups,
        base=_base(learner, groups),
        roots=roots[:-1],
        group=np.asarray(model["tree_info"], np.int32),
        left=np.where(inner, left + shift, -1).astype(np.int32),
        right=np.where(inner, right + shift, -1).astype(np.int32),
        feature=column("split_indices", np.int32),
        threshold=conditions,
        missing_left=column("default_left", np.bool_),
        value=conditions.astype(np.float64) * np.repeat(weights, sizes),
        cover=column("sum_hessian", np.float64),
        category_start=starts,
        category_words=words,
        categories=categories,
    )
    _prove(forest)
    return forest


def _categories(trees: list[Any], roots: Integers, nodes: int) -> tuple[Integers, Integers, NDArray[np.uint32]]:
    starts, words = np.full(nodes, -1, np.int32), np.zeros(nodes, np.int32)
    bits: list[NDArray[np.uint32]] = []
    used = 0
    for tree, root in zip(trees, roots, strict=False):
        ranges = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
        for node, first, size in ranges:
            chosen = np.asarray(tree["categories"][first : first + size], np.int64)
            if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= _RIGHT_OF_MISSING:
                raise Unsupported("a categorical split names no category, or one that no row can have")
            mask = np.zeros(int(chosen.max()) // 32 + 1, np.uint32)
            np.bitwise_or.at(mask, chosen // 32, np.uint32(1) << (chosen % 32).astype(np.uint32))
            starts[root + node], words[root + node] = used, mask.size
            bits.append(mask)
            used += mask.size
    return starts, words, np.concatenate(bits) if bits else np.zeros(1, np.uint32)


def _prove(forest: Forest) -> None:
    """Raise Unsupported for arrays that no trainer makes, before a kernel without bounds checks walks them."""
    inner = np.flatnonzero(forest.left >= 0)
    nodes = len(forest.left)
    children = np.concatenate([forest.left[inner], forest.right[inner]])
    if (children >= nodes).any() or (forest.right[inner] < 0).any() or (children <= np.tile(inner, 2)).any():
        raise Unsupported("a node's children do not stand behind it")
    if np.bincount(children, minlength=1).max() > 1 or np.isin(children, forest.roots).any():
        raise Unsupported("a node has two parents")
    if len(forest.group) != len(forest.roots) or ((forest.group < 0) | (forest.group >= forest.groups)).any():
        raise Unsupported("a tree belongs to no class")
    if ((forest.feature[inner] < 0) | (forest.feature[inner] >= forest.features)).any():
        raise Unsupported("a split is on a feature that it does not declare")
    whole, parts = forest.cover[inner], forest.cover[forest.left[inner]] + forest.cover[forest.right[inner]]
    if not (np.isfinite(forest.cover).all() and (np.abs(whole - parts) <= 1e-4 * whole).all()):
        raise Unsupported("the cover of a node is not the sum of its children's")
    if not np.isfinite(forest.value).all():
        raise Unsupported("a leaf holds no finite number")


def _identity(base: float) -> float:
    return base


def _logit(base: float) -> float:
    return math.log(base / (1.0 - base))


_MARGINS: Mapping[str, Callable[[float], float]] = {  # ObjFunction::ProbToMargin of each objective
    **dict.fromkeys(("binary:logistic", "reg:logistic"), _logit),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), math.log),
    **dict.fromkeys(
        ("reg:squarederror", "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror"), _identity
    ),
    **dict.fromkeys(
        ("reg:quantileerror", "binary:hinge", "binary:logitraw", "multi:softprob", "multi:softmax"), _identity
    ),
    **dict.fromkeys(("rank:pairwise", "rank:ndcg", "rank:map"), _identity),
}


def _base(learner: Mapping[str, Any], groups: int) -> Floats:
    """float64[groups], base_score as a margin; xgboost 3 writes a vector as text, older ones a number."""
    objective = learner["objective"]["name"]
    if objective not in _MARGINS:
        raise Unsupported(f"how {objective!r} turns base_score into a margin is not known")
    written = msgspec.json.decode(learner["learner_model_param"]["base_score"])
    scores = np.broadcast_to(np.asarray(written, np.float32), (groups,))
    return np.array([_MARGINS[objective](float(score)) for score in scores], np.float64)
