"""The Open Inference Protocol's requests and replies as JSON Schema, and what of them is a model's own."""

from typing import Any, TypeAlias

from configs.schema import ModelSpec
from serve_apps.protocol.decide import LONGEST_SUBJECT
from serve_apps.protocol.infer_body import MOST_TENSORS
from serve_apps.protocol.inference import OUTPUTS
from serve_apps.protocol.metadata import DATATYPES
from serve_apps.protocol.tensors import BYTES, DTYPES

Json: TypeAlias = dict[str, Any]

PARAMETERS: Json = {"type": "object", "additionalProperties": True}
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
        "parameters": PARAMETERS,
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


def request_schema(spec: ModelSpec) -> Json:
    """Rows as tensors: one of `[rows, features]`, or one a feature."""
    columns = ", ".join(f"{feature.name} {DATATYPES[feature.type]}" for feature in spec.features)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "model_name": {"const": spec.name, "description": "May repeat what the path says"},
            "parameters": {
                "type": "object",
                "properties": {
                    "subject": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": LONGEST_SUBJECT,
                        "description": f"The {spec.unit} of every row; rows without one are each a unit of their own",
                    },
                    "context": {"type": ["object", "string"], "description": "Anything to log, or its JSON text"},
                    "explain": {"type": "boolean", "description": "Whether to answer with `explanation` too"},
                },
            },
            "inputs": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_TENSORS,
                "description": f"One tensor of [rows, {len(spec.features)}] or one of [rows] for each of: {columns}; "
                "a BYTES tensor `subject` of [rows] says who each row is about",
                "items": {"$ref": "#/components/schemas/Tensor"},
            },
            "outputs": {
                "type": "array",
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
