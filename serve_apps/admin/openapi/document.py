"""One OpenAPI 3.1 document of every HTTP endpoint, made from deployed declarations and the control API's own schema."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from windvane.configs.schema import ModelSpec
from windvane.serve_apps.admin.openapi import model
from windvane.serve_apps.admin.openapi.control import control_paths, control_schemas
from windvane.serve_apps.admin.openapi.refusals import SCHEMAS, responses

Json: TypeAlias = dict[str, Any]

ABOUT = """Decisions, what happened after them, and the loop behind them.

Errors are problem documents (RFC 9457); those of the Open Inference Protocol's paths are its own `{"error": "…"}`. A
method that a path does not list is answered with 405, and a path that is not listed with 404; but HEAD is answered
wherever GET is, and OPTIONS everywhere, with `Allow`. Where `security` names a
role, one of those named is needed; without a key the answer is 401, without the role, or for another's model, 403. The
proxy in front may itself answer 502, 503 or 504, without such a document, while nothing behind it does."""

PARAMETERS: Json = {
    "RequestTimeout": {
        "name": "x-request-timeout-seconds",
        "in": "header",
        "required": False,
        "description": "How long the caller will wait; what cannot be answered in that time is refused at once",
        "schema": {"type": "number", "exclusiveMinimum": 0},
    },
    "Version": {
        "name": "x-windvane-version",
        "in": "header",
        "required": False,
        "description": "The loaded version that is to answer, whatever the split says; for owners",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**9 - 1},
    },
    "VersionInPath": {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "A version's number; one that the split would not give is for owners",
        "schema": {"type": "string"},
    },
    "JsonLength": {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "required": False,
        "description": "How many bytes of the body are JSON; the rest are the tensors that say `binary_data_size`",
        "schema": {"type": "integer", "minimum": 0},
    },
}
HEADERS: Json = {
    "JsonLength": {
        "description": "How many bytes of the body are JSON, when tensors follow it in binary",
        "schema": {"type": "integer", "minimum": 0},
    }
}
SECURITY: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token of the trusted issuer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "A key"},
}


def document(specs: Sequence[ModelSpec], admin: Mapping[str, Any]) -> Json:
    """The document for these deployed models; `admin` is what FastAPI says of the control API."""
    paths = control_paths(admin)
    schemas = SCHEMAS | model.SCHEMAS | control_schemas(admin)
    tags = [{"name": "control", "description": "The loop: its records, and an operator's hand on it"}]
    for spec in specs:
        paths |= model.model_paths(spec)
        schemas |= model.model_schemas(spec)
        tags.append({"name": spec.name, "description": spec.description or f"Decides about each {spec.unit}"})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Windvane", "version": "1", "description": ABOUT, "license": {"name": "Apache-2.0"}},
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses(),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }
