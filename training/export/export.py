"""Turns a fitted booster into the files that serving runs, and proves that both say the same."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from windvane.cluster.bundle import BOOSTER, JUDGED, ONNX, ONNX_INPUT, PROFILE, SPEC, Bundle, Manifest
from windvane.cluster.encoding import FIRST_CATEGORY, UNKNOWN
from windvane.cluster.errors import Invalid, WindvaneError
from windvane.configs.schema import ModelSpec
from windvane.monitoring.comparison import REFERENCE
from windvane.monitoring.counts.profile import Profile
from windvane.training.export.onnx_trees import has_categories, to_tree_ensemble
from windvane.training.fit.engine import Fitted
from windvane.training.fit.xgboost_import import xgboost
from windvane.training.rows.examples import Examples
from windvane.training.rows.sources import public

TOLERANCE = 1e-4
COMPARED_ROWS = 4096
SAMPLE_ROWS = 5000
PACKAGES = ("numpy", "onnx", "onnxmltools", "onnxruntime", "pyarrow", "ray", "scikit-learn", "xgboost")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Distance of the ONNX model from the booster it was made from."""

    rows: int
    max_difference: float


def export(
    fitted: Fitted, spec: ModelSpec, profile: Profile, learnt: Examples, judged_until: float, folder: Path
) -> Bundle:
    """Write and seal the bundle; raises when ONNX and booster differ by more than 1e-4 on any of the rows tried."""
    booster = fitted.served
    booster.save_model(folder / BOOSTER)
    fitted.judged.save_model(folder / JUDGED)
    (folder / ONNX).write_bytes(to_onnx(booster, len(spec.features)))
    (folder / SPEC).write_text(_without_password(spec).model_dump_json(indent=1))
    (folder / PROFILE).write_bytes(profile.to_json())
    pq.write_table(sample(learnt, spec), folder / REFERENCE)
    agreement = check(folder / ONNX, booster, probes(learnt.rows, spec))
    return Bundle.seal(
        folder,
        Manifest(
            files={},
            features=tuple(feature.name for feature in spec.features),
            trees=booster.num_boosted_rounds(),
            best_iteration=booster.num_boosted_rounds() - 1,
            max_onnx_difference=agreement.max_difference,
            compared_rows=agreement.rows,
            packages={name: version(name) for name in PACKAGES},
            trained_until=float(learnt.times[-1]),
            judged_until=judged_until,
        ),
    )


def sample(learnt: Examples, spec: ModelSpec) -> pa.Table:
    """Values of up to 5,000 rows evenly over time for drift reports; personal features stay behind, as nulls.

    Each column is sorted by itself: no erasure reaches this file, so there is no row of anybody in it.
    """
    places = np.unique(np.linspace(0, len(learnt) - 1, min(len(learnt), SAMPLE_ROWS)).round().astype(np.int64))
    rows = learnt.table.take(pa.array(places))
    columns = {
        feature.name: pa.nulls(len(rows), rows[feature.name].type) if feature.personal else _sorted(rows[feature.name])
        for feature in spec.features
    }
    return pa.table(columns)


def _sorted(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):  # in an order of codes, which Arrow does not sort
        column = column.cast(column.type.value_type)
    return column.take(pc.sort_indices(column))  # nulls last


def warm_up() -> None:
    """Import the converter and the runtime, which takes seconds, before they are needed."""
    import onnxmltools  # noqa: F401
    import onnxruntime  # noqa: F401


def to_onnx(booster: xgboost.Booster, width: int) -> bytes:
    """The booster as ONNX with one input float32[n, width] named `rows`."""
    if not any("split" in tree for tree in booster.get_dump(dump_format="json")):
        raise Invalid(
            "The booster gives every row the same score: no feature differs between rows whose outcomes differ, so "
            "there is nothing to serve; bring features that tell something of the target"
        )
    if has_categories(booster):
        return to_tree_ensemble(booster, width)
    from onnxmltools import convert_xgboost  # seconds to import, so only who exports pays for it
    from onnxmltools.convert.common.data_types import FloatTensorType

    model = convert_xgboost(booster, initial_types=[(ONNX_INPUT, FloatTensorType([None, width]))])
    content: bytes = model.SerializeToString()
    return content


def check(path: Path, booster: xgboost.Booster, rows: NDArray[np.float32]) -> Agreement:
    """Score the rows with both, row by row; raises when any probability differs by more than 1e-4."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    probabilities = session.run([session.get_outputs()[1].name], {ONNX_INPUT: rows})[0][:, 1]
    differences = np.abs(probabilities.astype(np.float64) - booster.inplace_predict(rows).astype(np.float64))
    worst = int(np.argmax(differences))  # a NaN counts as the largest
    if not differences[worst] <= TOLERANCE:
        raise WindvaneError(
            f"The ONNX model differs from its booster by {differences[worst]:.2g} on row {rows[worst].tolist()}, "
            f"more than {TOLERANCE:g}: this version cannot be served"
        )
    return Agreement(len(rows), float(differences[worst]))


def _without_password(spec: ModelSpec) -> ModelSpec:
    """A bundle travels further than the declaration."""
    data = spec.data.model_copy(update={"source": public(spec.data.source)})
    return spec.model_copy(update={"data": data})


def probes(rows: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.float32]:
    """Real rows spread over time, the same with holes in them, and every feature missing or unknown at once."""
    real = rows[np.linspace(0, len(rows) - 1, min(COMPARED_ROWS, len(rows))).astype(np.int64)]
    category = np.array([feature.type == "category" for feature in spec.features])
    missing = np.where(category, np.float32(0), np.float32(np.nan)).astype(np.float32)
    holes = np.random.default_rng(0).random(real.shape) < 0.3
    unknown = np.where(category, np.float32(UNKNOWN), np.float32(0)).astype(np.float32)
    last = np.array([FIRST_CATEGORY + len(feature.categories) - 1 for feature in spec.features], np.float32)
    return np.concatenate([real, np.where(holes, missing, real), [missing, unknown, last]]).astype(np.float32)
