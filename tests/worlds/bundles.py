"""Small real bundles: a booster trained on made-up rows, exported as the training job does."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import xgboost
from numpy.typing import NDArray

from windvane.cluster.bundle import BOOSTER, MANIFEST, ONNX, PROFILE, Bundle, Manifest
from windvane.cluster.bundle import SPEC as DECLARATION
from windvane.cluster.encoding import FIRST_CATEGORY, MISSING
from windvane.cluster.registry import Registration
from windvane.configs.schema import Feature, ModelSpec
from windvane.monitoring.counts.profile import Profile
from windvane.training.export.export import to_onnx

SPEC = ModelSpec.model_validate(
    {
        "name": "trips",
        "owner": "ops@example.org",
        "unit": "trip",
        "target": {"name": "late"},
        "features": [
            {"name": "temp", "type": "number", "unit": "C", "min": -60, "max": 60, "missing": True},
            {"name": "distance", "type": "number", "unit": "km", "min": 0},
            {"name": "stops", "type": "integer", "min": 0, "max": 20},
            {"name": "night", "type": "boolean"},
            {"name": "origin", "type": "category", "categories": ["EWR", "JFK", "LGA"], "missing": True},
        ],
        "data": {"source": "trips.csv", "time": "left_at"},
        "decision": {"actions": [{"name": "keep", "at_least": 0.0}, {"name": "warn", "at_least": 0.5}]},
        "serving": {"max_instances": 16, "max_body_bytes": 65536, "max_waiting_rows": 64, "max_batch_rows": 8},
    }
)
MADE = Registration("trips", "x", "first", "champion", None, None, {}, {}, {})


def make_rows(n: int, seed: int) -> NDArray[np.float32]:
    """float32[n, 5] encoded rows of the made-up world."""
    random = np.random.default_rng(seed)
    temp = np.where(random.random(n) < 0.1, np.nan, random.normal(12, 9, n))
    columns = (
        temp,
        random.gamma(2, 400, n),
        random.integers(0, 5, n),
        random.random(n) < 0.3,
        random.integers(0, 5, n),
    )
    return np.column_stack(columns).astype(np.float32)


def rows_of(features: Sequence[Feature], n: int, seed: int) -> NDArray[np.float32]:
    """float32[n, F] encoded rows of any declaration, spread over what it allows; a tenth of what may be is missing."""
    random = np.random.default_rng(seed)
    columns = []
    for feature in features:
        low = 0.0 if feature.min is None else feature.min
        column = random.uniform(low, low + 100.0 if feature.max is None else feature.max, n)
        if feature.type == "category":
            column = FIRST_CATEGORY + random.integers(0, len(feature.categories), n).astype(np.float64)
        elif feature.type == "boolean":
            column = (random.random(n) < 0.5).astype(np.float64)
        elif feature.type == "integer":
            column = np.floor(column)
        absent = MISSING if feature.type == "category" else np.nan
        columns.append(np.where(random.random(n) < 0.1, absent, column) if feature.missing else column)
    return np.column_stack(columns).astype(np.float32)


Labelled: TypeAlias = tuple[NDArray[np.float32], NDArray[np.bool_]]  # float32[n, F] encoded rows, bool[n] labels


def make_bundle(root: Path, seed: int, spec: ModelSpec = SPEC, learnt: Labelled | None = None) -> Path:
    """The folder of a bundle of `spec` trained with that seed on `learnt` or made-up rows; made once below `root`."""
    name = hashlib.sha256(f"{seed}:{xgboost.__version__}:{spec.model_dump_json()}".encode()).hexdigest()[:16]
    folder = root / name
    if not (folder / MANIFEST).exists():
        if learnt is not None:
            rows, labels = learnt
        elif [feature.name for feature in spec.features] == [feature.name for feature in SPEC.features]:
            rows = make_rows(600, seed)
            labels = (rows[:, 1] / 800 + 2.0 * rows[:, 3] + np.random.default_rng(seed).normal(0, 1, 600)) > 1.5
        else:
            rows = rows_of(spec.features, 600, seed)
            sums = np.nan_to_num(rows / np.nanstd(rows, axis=0)).sum(axis=1)
            labels = sums > np.median(sums)
        matrix = xgboost.DMatrix(rows, labels, nthread=1)
        parameters = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "seed": seed}
        booster = xgboost.train(parameters, matrix, num_boost_round=6)
        profile = Profile.learn(spec.features, rows, booster.predict(matrix), labels)
        folder.mkdir(parents=True, exist_ok=True)
        booster.save_model(folder / BOOSTER)
        (folder / ONNX).write_bytes(to_onnx(booster, rows.shape[1]))
        (folder / DECLARATION).write_text(spec.model_dump_json())
        (folder / PROFILE).write_bytes(profile.to_json())
        names = tuple(feature.name for feature in spec.features)
        Bundle.seal(folder, Manifest({}, names, 6, 5, 0.0, 0, {"xgboost": xgboost.__version__}))
    return Bundle.open(folder).folder


def spec_of(*, adverse: bool = False, counterfactual: bool = False, every: bool = False) -> ModelSpec:
    """The model with a second action that may owe grounds, and every feature a reason that may change."""
    document = SPEC.model_dump(mode="json")
    document["decision"]["actions"][1]["adverse"] = adverse
    for feature in document["features"]:
        feature |= {"reason": {"raises": feature["name"]}, "mutable": True}
    document["explanation"] = {"counterfactual": counterfactual}
    document["serving"]["explanations"] = "always" if every else "requested"
    return ModelSpec.model_validate(document)
