"""The Open Inference Protocol's requests and replies as JSON Schema, and what of them is a model's own."""

from typing import Any, TypeAlias

from windvane.configs.schema import ModelSpec
from windvane.serve_apps.admin.openapi.questions import TRUTH, or_null, purpose_schema
from windvane.serve_apps.protocol.columns import KINDS
from windvane.serve_apps.protocol.infer_body import MOST_TENSORS
from windvane.serve_apps.protocol.inference import OUTPUTS, SUBJECT
from windvane.serve_apps.protocol.instances import LONGEST_SUBJECT
from windvane.serve_apps.protocol.metadata import DATATYPES
from windvane.serve_apps.protocol.tensors import BOOL, BYTES, DTYPES

Json: TypeAlias = dict[str, Any]

COLUMN: list[Json] = [{"type": "integer", "minimum": 1}, {"const": 1}]  # [rows] or [rows, 1]
PARAMETERS: Json = {"type": ["object", "null"], "additionalProperties": True}
DATA: Json = {
    "type": "array",
    "description": "The values, flat or nested, in C order",
    "items": {
        "anyOf": [
            {"$ref": "#/components/schemas/TensorData"},
            {"type": ["number", "string", "boolean", "null"]},
        ]
    },
}
SHAPE: Json = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 8}
DATATYPE: Json = {"type": "string", "enum": [*DTYPES, BYTES]}
TENSOR: Json = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": SHAPE,
        "datatype": DATATYPE,
        "parameters": PARAMETERS,
        "data": {"$ref": "#/components/schemas/TensorData"},
    },
}
DESCRIBED_TENSOR: Json = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": DATATYPE,
        "shape": {"type": "array", "items": {"type": "integer", "minimum": -1}},
        "parameters": PARAMETERS,
    },
}
METADATA: Json = {
    "type": "object",
    "required": ["name", "versions", "platform", "inputs", "outputs", "properties"],
    "properties": {
        "name": {"type": "string"},
        "versions": {"type": "array", "items": {"type": "string"}, "description": "The loaded ones"},
        "platform": {"type": "string"},
        "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/DescribedTensor"}},
        "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/DescribedTensor"}},
        "properties": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "The other form of input, the parameters, and what the outputs hold",
        },
    },
}
REPLY: Json = {
    "type": "object",
    "required": ["model_name", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string", "description": "The version that answered, when it answered every row"},
        "id": {"type": "string"},
        "parameters": {
            "type": "object",
            "properties": {"warnings": {"type": "string", "description": "JSON of what is not usual about the rows"}},
        },
        "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
    },
}
SCHEMAS: Json = {
    "Tensor": TENSOR,
    "TensorData": DATA,
    "DescribedTensor": DESCRIBED_TENSOR,
    "ModelMetadata": METADATA,
    "InferenceReply": REPLY,
}


def input_schema(spec: ModelSpec) -> Json:
    """One tensor of a request: all features together, one kind of feature, or who each row is about."""
    width = len(spec.features)
    together = _input(
        "All features of each row, in the declared order: a boolean is 0 or 1, a category its place among its "
        "categories or -1 for any other, NaN (in JSON null) is missing",
        {"type": "string"},
        [datatype for datatype in DTYPES if datatype != BOOL],
        [{"type": "integer", "minimum": 1}, {"const": width}],
    )
    apart = []
    for kind, datatype in DATATYPES.items():
        names = [feature.name for feature in spec.features if feature.type == kind]
        suitable = [each for each, dtype in DTYPES.items() if dtype.kind in KINDS[kind]]
        suitable += [BYTES] if datatype == BYTES else []
        if names:
            apart.append(_input(f"One {kind} of each row", {"enum": names}, suitable, COLUMN))
    whole = [each for each, dtype in DTYPES.items() if dtype.kind in "iuf"]
    subject = _input("Who or what each row is about", {"const": SUBJECT}, [BYTES, *whole], COLUMN)
    return {"anyOf": [together, *apart, subject]}


def _input(description: str, name: Json, datatypes: list[str], shape: list[Json]) -> Json:
    least = 1 if shape is COLUMN else len(shape)
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": name,
            "shape": {
                "type": "array",
                "prefixItems": shape,
                "items": {"type": "integer"},
                "minItems": least,
                "maxItems": len(shape),
            },
            "datatype": {"enum": datatypes},
            "parameters": PARAMETERS,
            "data": {"$ref": "#/components/schemas/TensorData"},
        },
    }


def request_schema(spec: ModelSpec) -> Json:
    """Rows as tensors: one of `[rows, features]`, or one a feature."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["inputs"],
        "properties": {
            "id": {"type": ["string", "integer", "null"]},
            "model_name": {"enum": [spec.name, None], "description": "May repeat what the path says"},
            "parameters": {
                "type": ["object", "null"],
                "properties": {
                    "subject": {
                        "type": ["string", "integer", "null"],
                        "minLength": 1,
                        "maxLength": LONGEST_SUBJECT,
                        "description": f"The {spec.unit} of every row; rows without one are each a unit of their own",
                    },
                    "context": {
                        "type": ["object", "string", "null"],
                        "description": "Anything to log, or its JSON text",
                    },
                    "explain": or_null(TRUTH) | {"description": "Whether to answer with `explanation` too"},
                    "purpose": purpose_schema(spec),
                },
            },
            "inputs": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_TENSORS,
                "description": "One of all features, or one for each; what may be missing may be left out",
                "items": input_schema(spec),
            },
            "outputs": {
                "type": ["array", "null"],
                "uniqueItems": True,
                "description": "What to answer with; the usual three when it is left out",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["name"],
                    "properties": {"name": {"enum": list(OUTPUTS)}, "parameters": PARAMETERS},
                },
            },
        },
    }
