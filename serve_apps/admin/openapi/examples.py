"""Requests that a model answers, made from its declaration: to start from, and for tests to send."""

import math
from typing import Any, TypeAlias

from windvane.cluster.decision_log.record import Value
from windvane.configs.schema import Feature, ModelSpec
from windvane.serve_apps.protocol.metadata import DATATYPES

Json: TypeAlias = dict[str, Any]


def value(feature: Feature) -> Value:
    """One that the feature takes, near 1 where it is a number.

    >>> value(Feature(name="age", type="integer", min=18)), value(Feature(name="night", type="boolean"))
    (18, True)
    """
    low = -math.inf if feature.min is None else feature.min
    high = math.inf if feature.max is None else feature.max
    match feature.type:
        case "boolean":
            return True
        case "category":
            return feature.categories[0]
        case "integer":
            return int(min(max(1, low), high))
        case "number":
            return float(min(max(1.0, low), high))


def code(feature: Feature) -> float:
    """The same as it stands in a tensor of all features, where a category is its place."""
    taken = value(feature)
    return 0.0 if isinstance(taken, str) or taken is None else float(taken)


def one(spec: ModelSpec) -> Json:
    """A request to `decide` about one subject."""
    purpose = {"purpose": spec.purposes[0].name} if spec.purposes else {}
    return {
        "subject": f"{spec.unit}-7",
        **purpose,
        "features": {feature.name: value(feature) for feature in spec.features},
    }


def questions(spec: ModelSpec) -> Json:
    """Requests to `decide`."""
    asked = one(spec)
    return {
        "one": {"value": asked},
        "explained": {"value": asked | {"explain": True, "context": {"channel": "web"}}},
        "many": {"value": {"instances": [asked, asked | {"subject": f"{spec.unit}-8"}]}},
    }


def inferences(spec: ModelSpec) -> Json:
    """Requests to `infer`, in both forms."""
    row = [code(feature) for feature in spec.features]
    columns = [
        {"name": feature.name, "shape": [2], "datatype": DATATYPES[feature.type], "data": [value(feature)] * 2}
        for feature in spec.features
    ]
    together = {"inputs": [{"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}
    wanted = [{"name": "prediction"}, {"name": "explanation"}, {"name": "version"}]
    return {
        "together": {"value": together},
        "columns": {"value": {"id": "7", "parameters": {"subject": f"{spec.unit}-7"}, "inputs": columns}},
        "chosen outputs": {"value": together | {"outputs": wanted}},
    }


def outcomes() -> Json:
    """Requests to `outcomes`."""
    one = {"decision_id": "013d2564-dd00-7000-8000-000000000000", "label": True}
    return {"one": {"value": one}, "many": {"value": {"outcomes": [one, one | {"kpis": {"cost": 2.5}}]}}}
