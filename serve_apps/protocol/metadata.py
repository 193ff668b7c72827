"""What a model takes and gives, in the shape of the Open Inference Protocol's model metadata."""

from collections.abc import Iterable
from typing import Any

from configs.schema import Feature, ModelSpec

DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "category": "BYTES"}


def metadata(spec: ModelSpec, versions: Iterable[int]) -> dict[str, Any]:
    """Name, loaded versions, platform, one input a feature, and the outputs."""
    return {
        "name": spec.name,
        "versions": [str(number) for number in sorted(versions)],
        "platform": "onnxruntime_onnx",
        "inputs": [_input(feature) for feature in spec.features],
        "outputs": [
            {"name": "prediction", "datatype": "FP64", "shape": [-1]},
            {"name": "action", "datatype": "BYTES", "shape": [-1]},
        ],
    }


def _input(feature: Feature) -> dict[str, Any]:
    declared = feature.model_dump(exclude_defaults=True, exclude={"name", "type", "personal"})
    return {
        "name": feature.name,
        "datatype": DATATYPES[feature.type],
        "shape": [-1],
        "parameters": {"type": feature.type, "required": not feature.missing} | declared,
    }
