"""Training and serving take the same values of a feature, and what one refuses, so does the other."""

from typing import Any

import pyarrow as pa
import pytest

from windvane.configs.schema import Feature, ModelSpec
from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.coerce import coerce
from windvane.serve_apps.protocol.features import ValueFault, read, warn

FEATURES: dict[str, dict[str, Any]] = {
    "number": {"type": "number"},
    "bounded": {"type": "number", "min": -1.5, "max": 7},
    "usual": {"type": "number", "usual": [0, 1]},
    "integer": {"type": "integer"},
    "seats": {"type": "integer", "min": 0, "max": 9},
    "boolean": {"type": "boolean"},
    "category": {"type": "category", "categories": ["a", "7", "NA", "true"]},
}
VALUES: list[Any] = [
    None, True, False, 0, 1, 7, -1, 8, 1.0, 7.0, 0.5, -1.5, -2.5, 3.4e38, 3.5e38, 2**53, 2**53 + 1, -(2**53) - 1,
    2.0**53, 2.0**54, "a", "b", "NA", "n/a", "None", "", " ", "7", "x" * 256, "x" * 257,
]  # fmt: skip


def trained(feature: Feature, value: Any) -> Any:
    spec = ModelSpec.model_validate(
        {
            "name": "m",
            "owner": "o",
            "unit": "u",
            "target": {"name": "y"},
            "features": [feature.model_dump(mode="json")],
            "data": {"source": "rows"},
            "decision": {"actions": [{"name": "go", "at_least": 0.0}]},
        }
    )
    try:
        return coerce(pa.table({"x": [value], "y": [True]}), spec).column("x")[0].as_py()
    except BadTable:
        return "refused"


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize("kind", FEATURES)
def test_training_and_serving_take_the_same_values(kind: str, missing: bool) -> None:
    feature = Feature.model_validate({"name": "x", "missing": missing, **FEATURES[kind]})
    differ = {}
    for value in VALUES:
        if isinstance(value, str) and feature.type != "category":
            continue  # a file has nothing but text; in a request text is no number
        served = read(feature, value)
        mine, theirs = trained(feature, value), "refused" if isinstance(served, ValueFault) else served
        if mine != theirs and not (mine is None and isinstance(theirs, str) and missing):  # encoded as missing by both
            differ[repr(value)] = (mine, theirs)
    assert differ == {}


def test_a_text_that_is_encoded_as_missing_is_not_called_unknown() -> None:
    feature = Feature(name="x", type="category", categories=("ZA",), missing=True)
    assert warn(feature, "NA") is None
    assert warn(feature, "DE") is not None
    assert warn(feature.model_copy(update={"missing": False}), "NA") is not None
