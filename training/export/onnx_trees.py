"""Writes a booster with splits by category as an ONNX tree ensemble, which the converter makes exponentially large.

A split by category becomes a chain of comparisons that share one child, as LightGBM's converter writes them too and as
ONNX Runtime reads into a set.
"""

import json
from collections.abc import Mapping, Sequence
from math import log
from typing import Any

from windvane.cluster.bundle import ONNX_INPUT
from windvane.training.fit.xgboost_import import xgboost

LEAF, LESS, EQUAL = "LEAF", "BRANCH_LT", "BRANCH_EQ"
_OPSET, _ML_OPSET, _IR = 15, 3, 8


def has_categories(booster: xgboost.Booster) -> bool:
    """Whether any of its splits is by category."""
    return any(tree["categories_nodes"] for tree in _model(booster)[1])


def to_tree_ensemble(booster: xgboost.Booster, width: int) -> bytes:
    """The same file that the converter writes: input `rows`, outputs label and probabilities float32[n, 2]."""
    from onnx import TensorProto, helper

    learner, trees = _model(booster)
    (base,) = json.loads(learner["learner_model_param"]["base_score"])
    nodes: dict[str, list[Any]] = {name: [] for name in _NODE_FIELDS}
    leaves: dict[str, list[Any]] = {name: [] for name in _LEAF_FIELDS}
    for number, tree in enumerate(trees):
        _append(number, tree, nodes, leaves)
    ensemble = helper.make_node(
        "TreeEnsembleClassifier",
        [ONNX_INPUT],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        post_transform="LOGISTIC",
        classlabels_int64s=[0, 1],
        base_values=[log(base / (1.0 - base))],
        **{f"nodes_{name}": values for name, values in nodes.items()},
        **{f"class_{name}": values for name, values in leaves.items()},
    )
    rows = helper.make_tensor_value_info(ONNX_INPUT, TensorProto.FLOAT, [None, width])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, [None])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])
    graph = helper.make_graph([ensemble], "booster", [rows], [label, probabilities])
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString()
    return content


_NODE_FIELDS = (
    *("treeids", "nodeids", "featureids", "modes", "values"),
    *("truenodeids", "falsenodeids", "missing_value_tracks_true"),
)
_LEAF_FIELDS = ("treeids", "nodeids", "ids", "weights")


def _append(number: int, tree: Mapping[str, Any], nodes: dict[str, list[Any]], leaves: dict[str, list[Any]]) -> None:
    """One tree's nodes by xgboost's own numbers; those of chains come behind them."""
    sets = _sets(tree)
    free = len(tree["left_children"])

    def add(node: int, mode: str, feature: int, value: float, true: int, false: int, missing: int) -> None:
        values = (number, node, feature, mode, value, true, false, missing)
        for name, each in zip(_NODE_FIELDS, values, strict=True):
            nodes[name].append(each)

    for node, left in enumerate(tree["left_children"]):
        right, feature = tree["right_children"][node], tree["split_indices"][node]
        value, missing_left = float(tree["split_conditions"][node]), bool(tree["default_left"][node])
        if left < 0:
            add(node, LEAF, 0, 0.0, 0, 0, 0)
            for name, each in zip(_LEAF_FIELDS, (number, node, 0, value), strict=True):
                leaves[name].append(each)
        elif node not in sets:
            add(node, LESS, feature, value, left, right, int(missing_left))
        else:
            at = node
            for place, category in enumerate(sets[node]):
                last = place == len(sets[node]) - 1
                add(at, EQUAL, feature, float(category), right, left if last else free, int(not missing_left))
                if not last:
                    at, free = free, free + 1


def _sets(tree: Mapping[str, Any]) -> dict[int, Sequence[int]]:
    """By node, the categories that go right; any other goes left."""
    spans = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    return {node: tree["categories"][first : first + size] for node, first, size in spans}


def _model(booster: xgboost.Booster) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    learner = json.loads(booster.save_raw("json"))["learner"]
    return learner, learner["gradient_booster"]["model"]["trees"]
