"""Boosters made up tree by tree or trained in all kinds, and how far their two explanations lie apart.

`python -m tests.worlds.forests 600 7` tries such boosters for 600 seconds from seed 7 and prints the worst difference.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from windvane.serve_apps.versions.booster.forest import read_forest
from windvane.serve_apps.versions.treeshap.quadrature import Quadrature

_SEED = {"objective": "reg:squarederror", "max_depth": 1, "nthread": 1, "base_score": 0.25}


@dataclass(slots=True)
class _Tree:
    """The arrays of xgboost's own JSON."""

    left_children: list[int] = field(default_factory=list)
    right_children: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    split_indices: list[int] = field(default_factory=list)
    split_conditions: list[float] = field(default_factory=list)
    default_left: list[int] = field(default_factory=list)
    sum_hessian: list[float] = field(default_factory=list)

    def add(self, random: np.random.Generator, parent: int, cover: float) -> int:
        """A leaf."""
        self.left_children.append(-1)
        self.right_children.append(-1)
        self.parents.append(parent)
        self.split_indices.append(0)
        self.split_conditions.append(float(np.float32(random.normal())))
        self.default_left.append(int(random.integers(2)))
        self.sum_hessian.append(cover)
        return len(self.parents) - 1

    def grow(self, random: np.random.Generator, node: int, features: int, depth: int) -> None:
        """Split the leaf, and the new ones; xgboost has no answer below a cover of 0, and wants children in pairs."""
        cover = self.sum_hessian[node]
        if depth == 0 or cover == 0.0 or random.random() < 0.15:
            return
        part = cover * random.choice([0.0, 0.001, 0.3, 0.5, 0.9], p=[0.03, 0.07, 0.3, 0.3, 0.3])
        left = self.add(random, node, float(np.float32(part)))
        right = self.add(random, node, cover - float(np.float32(part)))
        self.left_children[node], self.right_children[node] = left, right
        self.split_indices[node] = int(random.integers(features))
        self.grow(random, left, features, depth - 1)
        self.grow(random, right, features, depth - 1)


def made_up(seed: int, *, features: int, trees: int, depth: int) -> xgboost.Booster:
    """A regression booster of random trees, no trainer's idea of a good split in them."""
    random = np.random.default_rng(seed)
    labels = random.normal(size=8)
    start = xgboost.train(_SEED, xgboost.DMatrix(random.normal(size=(8, features)), labels, nthread=1), 1)
    document = json.loads(start.save_raw("json"))
    model = document["learner"]["gradient_booster"]["model"]
    pattern = model["trees"][0]
    model["trees"] = [_dressed(pattern, random, features, depth, number) for number in range(trees)]
    model["tree_info"] = [0] * trees
    model["iteration_indptr"] = list(range(trees + 1))
    model["gbtree_model_param"]["num_trees"] = str(trees)
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(json.dumps(document).encode()))
    return booster


def _dressed(
    pattern: Mapping[str, Any], random: np.random.Generator, features: int, depth: int, number: int
) -> dict[str, Any]:
    tree = _Tree()
    tree.grow(random, tree.add(random, 2147483647, 4096.0), features, depth)
    nodes = len(tree.left_children)
    arrays = {name: getattr(tree, name) for name in tree.__slots__}
    plain = {"base_weights": [0.0] * nodes, "loss_changes": [0.0] * nodes, "split_type": [0] * nodes}
    return {
        **pattern,
        **arrays,
        **plain,
        "id": number,
        "tree_param": {**pattern["tree_param"], "num_nodes": str(nodes)},
    }


def trained(
    seed: int,
    *,
    features: int = 6,
    rows: int = 300,
    rounds: int = 5,
    kinds: Sequence[str] | None = None,
    categories: int = 12,
    **parameters: Any,
) -> xgboost.Booster:
    """A booster trained on random rows with missing values; `kinds` are xgboost's feature types."""
    random = np.random.default_rng(seed)
    table = random_rows(random, rows, features, kinds, categories)
    labels = random.integers(0, int(parameters.get("num_class", 2)), rows) + (
        parameters.get("objective") == "reg:gamma"
    )
    matrix = xgboost.DMatrix(
        table, labels, weight=random.gamma(1.0, size=rows), feature_types=kinds, enable_categorical=True, nthread=1
    )
    settings = {"nthread": 1, "verbosity": 0, "seed": seed, "max_depth": 4, "min_child_weight": 0.0, **parameters}
    return xgboost.train(settings, matrix, num_boost_round=rounds)


def random_rows(
    random: np.random.Generator,
    rows: int,
    features: int,
    kinds: Sequence[str] | None = None,
    categories: int = 12,
) -> NDArray[np.float32]:
    """float32[rows, features], a tenth of it missing; so many categories, from 0 on."""
    table = random.normal(size=(rows, features)).astype(np.float32)
    for place, kind in enumerate(kinds or ()):
        if kind == "c":
            table[:, place] = random.integers(0, categories, rows)
    table[random.random(table.shape) < 0.1] = np.nan
    return table


def apart(booster: xgboost.Booster, rows: NDArray[np.float32]) -> float:
    """The largest difference from `pred_contribs`, and of the sums from the margin, over the contributions' scale."""
    found = Quadrature(read_forest(bytes(booster.save_raw("ubj")))).contributions(rows)
    kinds = booster.feature_types
    matrix = xgboost.DMatrix(rows, feature_types=kinds, enable_categorical=kinds is not None, nthread=1)
    wanted = booster.predict(matrix, pred_contribs=True, strict_shape=True).astype(np.float64)
    wanted = np.roll(wanted, 1, axis=2)
    margins = booster.predict(matrix, output_margin=True, strict_shape=True)
    scale = max(1.0, float(np.abs(wanted).sum(axis=2).max()))
    assert found.shape == wanted.shape
    return max(float(np.abs(found - wanted).max()), float(np.abs(found.sum(axis=2) - margins).max())) / scale


def anything(random: np.random.Generator) -> tuple[xgboost.Booster, NDArray[np.float32], str]:
    """A booster of any supported kind, rows for it, and the words that make it again."""
    seed = int(random.integers(2**31))
    features = int(random.choice([1, 2, 3, 5, 10, 30, 200]))
    depth = int(random.integers(1, 13))
    rows = int(random.integers(1, 80))
    if random.random() < 0.4:
        trees = int(random.choice([1, 2, 5, 20, 100, 500])) if depth < 8 else 3
        words = f"made_up({seed}, features={features}, trees={trees}, depth={depth})"
        booster = made_up(seed, features=features, trees=trees, depth=depth)
        return booster, random_rows(random, rows, features), words
    options: dict[str, Any] = {"max_depth": depth, "rounds": int(random.integers(1, 10))}
    options["objective"] = str(
        random.choice(["binary:logistic", "reg:squarederror", "multi:softprob", "count:poisson"])
    )
    if options["objective"].startswith("multi"):
        options["num_class"] = int(random.integers(3, 6))
    if random.random() < 0.3:
        options |= {"booster": "dart", "rate_drop": 0.4}
    if random.random() < 0.3:
        options |= {"num_parallel_tree": 3, "subsample": 0.6}
    if random.random() < 0.3:
        options |= {"grow_policy": "lossguide", "max_leaves": 40}
    if random.random() < 0.3:
        options |= {"kinds": random.choice(["c", "q"], features).tolist()}
        options["max_cat_to_onehot"] = int(random.choice([1, 5, 20]))
    booster = trained(seed, features=features, **options)
    return (
        booster,
        random_rows(random, rows, features, options.get("kinds")),
        f"trained({seed}, {features=}, {options})",
    )


def main(seconds: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    end, tried, worst = time.monotonic() + seconds, 0, 0.0
    while time.monotonic() < end:
        booster, rows, words = anything(random)
        difference = apart(booster, rows)
        tried, worst = tried + 1, max(worst, difference)
        if not difference <= 1e-4:
            sys.exit(f"{words} on {len(rows)} rows: {difference}")
    sys.stdout.write(f"{tried} boosters, worst difference {worst:.1e} of the contributions' scale\n")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
