"""Describes a model's inputs and outputs in the shape of the Open Inference Protocol's model metadata."""

from collections.abc import Iterable
from typing import Any

from windvane.configs.schema import Feature, ModelSpec

DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "category": "BYTES"}


def metadata(spec: ModelSpec, versions: Iterable[int]) -> dict[str, Any]:
    """Name, loaded versions, platform, one input a feature, the outputs, and in `properties` the other form of input.

    An output whose parameters say `usual: false` is given when it is asked for by name.
    """
    width = len(spec.features)
    return {
        "name": spec.name,
        "versions": [str(number) for number in sorted(versions)],
        "platform": "onnxruntime_onnx",
        "inputs": [_input(feature) for feature in spec.features],
        "outputs": [
            {"name": "prediction", "datatype": "FP64", "shape": [-1]},
            {"name": "action", "datatype": "BYTES", "shape": [-1]},
            {"name": "decision_id", "datatype": "BYTES", "shape": [-1]},
            {"name": "explanation", "datatype": "FP64", "shape": [-1, 1 + width], "parameters": {"usual": False}},
            {"name": "version", "datatype": "INT64", "shape": [-1], "parameters": {"usual": False}},
            {
                "name": "grounds",
                "datatype": "BYTES",
                "shape": [-1],
                "parameters": {"usual": bool(spec.decision.adverse)},
            },
        ],
        "properties": {
            "inputs": f"either those listed, each [rows] or [rows, 1], or one input of any other name [rows, {width}] "
            "with the features in the order listed: a boolean is 0 or 1, a category its zero-based place among its "
            "categories or -1 for any other, NaN is missing",
            "explanation": "the base value, then what each feature added, in the order listed, in log-odds",
            "grounds": "JSON of the reasons, and of the counterfactual where one is declared, for an action that is "
            "adverse; empty for any other",
            "parameters": "subject (text; or an input `subject`, BYTES [rows]), context (an object, its JSON, or "
            "context.<name> for each of its members), explain (true or false), purpose (text; what for)",
        },
    }


def _input(feature: Feature) -> dict[str, Any]:
    declared = feature.model_dump(
        exclude_defaults=True, include={"unit", "description", "min", "max", "categories", "missing"}
    )
    return {
        "name": feature.name,
        "datatype": DATATYPES[feature.type],
        "shape": [-1],
        "parameters": {"type": feature.type, "required": not feature.missing} | declared,
    }
