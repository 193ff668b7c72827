"""The model that every server of the bench answers with: 24 numbers, 300 trees of depth 6, made from a seed."""

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xgboost
from numpy.typing import NDArray

from windvane.cluster.bundle import BOOSTER, MANIFEST, ONNX, PROFILE, Bundle, Manifest
from windvane.cluster.bundle import SPEC as DECLARATION
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.profile import Profile
from windvane.training.export.export import check, to_onnx

FEATURES, TREES, DEPTH, SEED = 24, 300, 6, 11
LEARNT_ROWS = 20_000
CACHE = Path("var") / "bench"
PERSONAL, PURPOSE = 8, "service"  # features of the model about people, and what it is permitted for

SPEC = ModelSpec.model_validate(
    {
        "name": "bench",
        "owner": "bench@example.org",
        "unit": "row",
        "target": {"name": "positive"},
        "features": [{"name": f"f{place}", "type": "number"} for place in range(FEATURES)],
        "data": {"source": "bench.csv"},
        "decision": {"actions": [{"name": "keep", "at_least": 0.0}, {"name": "warn", "at_least": 0.5}]},
        "serving": {"min_replicas": 1, "max_replicas": 1},
    }
)


def about_people(spec: ModelSpec, personal: int = PERSONAL) -> ModelSpec:
    """The same with so many features personal, each encrypted under its subject's key, and a purpose to be named."""
    declared = spec.model_dump(mode="json")
    for feature in declared["features"][:personal]:
        feature["personal"] = True
    return ModelSpec.model_validate(declared | {"purposes": [{"name": PURPOSE, "consent": False}]})


def make_rows(n: int, seed: int = SEED) -> NDArray[np.float32]:
    """float32[n, 24] different rows, rounded to four places as a client would send them."""
    return np.random.default_rng(seed).normal(size=(n, FEATURES)).round(4).astype(np.float32)


def bodies(rows: int, count: int = 512, **more: object) -> list[bytes]:
    """Request bodies of JSON with different rows, so many in each; every row says `more`."""
    numbers = make_rows(max(count, 8 * rows)).astype(float).round(4).tolist()
    names = [feature.name for feature in SPEC.features]
    instances = [
        {"subject": f"unit-{place}", "features": dict(zip(names, row, strict=True)), **more}
        for place, row in enumerate(numbers)
    ]
    if rows == 1:
        return [json.dumps(instance).encode() for instance in instances]
    return [
        json.dumps({"instances": instances[at : at + rows]}).encode()
        for at in range(0, len(instances) - rows + 1, rows)
    ]


def bundle(cache: Path = CACHE) -> Bundle:
    """The model's files; trained at the first call (a few seconds), found below `cache` by later ones."""
    parameters = {"objective": "binary:logistic", "max_depth": DEPTH, "seed": SEED, "nthread": 2}
    key = f"{parameters}{TREES}{LEARNT_ROWS}{xgboost.__version__}{SPEC.model_dump_json()}"
    folder = cache / f"model-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if (folder / MANIFEST).exists():
        return Bundle.open(folder)
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as part:
        whole = _train(parameters, Path(part) / "whole")
        whole.replace(folder)
    return Bundle.open(folder)


def _train(parameters: dict[str, object], folder: Path) -> Path:
    folder.mkdir()
    rows = make_rows(LEARNT_ROWS)
    noise = np.random.default_rng(SEED + 1).normal(size=LEARNT_ROWS)
    labels = rows[:, 0] + rows[:, 1] * rows[:, 2] + 0.5 * rows[:, 3:].sum(axis=1) / 4 + noise > 0
    matrix = xgboost.DMatrix(rows, labels)
    booster = xgboost.train(parameters, matrix, num_boost_round=TREES)
    booster.save_model(folder / BOOSTER)
    (folder / ONNX).write_bytes(to_onnx(booster, FEATURES))
    (folder / DECLARATION).write_text(SPEC.model_dump_json())
    (folder / PROFILE).write_bytes(Profile.learn(SPEC.features, rows, booster.predict(matrix), labels).to_json())
    agreement = check(folder / ONNX, booster, rows[:1000])
    names = tuple(feature.name for feature in SPEC.features)
    packages = {"xgboost": xgboost.__version__}
    Bundle.seal(folder, Manifest({}, names, TREES, TREES - 1, agreement.max_difference, agreement.rows, packages))
    return folder
