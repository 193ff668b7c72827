"""The control API's paths: FastAPI's schema of them, with the refusals that Windvane really sends."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from windvane.cluster.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    TooFast,
    TooLarge,
    Unauthorized,
    Unavailable,
    WindvaneError,
)
from windvane.serve_apps.admin.openapi.refusals import refused, refused_inference
from windvane.serve_apps.protocol.problem import RequestTimeout, UnsupportedMediaType

Json: TypeAlias = dict[str, Any]

FASTAPI_S_OWN = frozenset({"HTTPValidationError", "ValidationError"})  # what it would send, were it asked


def control_paths(admin: Mapping[str, Any]) -> Json:
    """Every operation with its refusals; `admin` is what FastAPI says, who may ask included."""
    return {
        path: {method: _operation(path, method, operation) for method, operation in methods.items()}
        for path, methods in admin["paths"].items()
    }


def control_schemas(admin: Mapping[str, Any]) -> Json:
    """The schemas of its bodies, apart from those of FastAPI's own error replies."""
    schemas: Mapping[str, Json] = admin.get("components", {}).get("schemas", {})
    return {name: schema for name, schema in schemas.items() if name not in FASTAPI_S_OWN}


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Json:
    changes = method != "get"
    errors: list[type[WindvaneError]] = [WindvaneError, Invalid if _is_protocol(path) else Malformed]
    if path not in ("/api/health", "/v2", "/v2/health/live"):  # which look at nothing
        errors.append(Unavailable)
    if "{" in path or path == "/api/decisions":
        errors.append(NotFound)
    if "{decision_id}" in path:  # what its record lacks, or does not fit together with
        errors += [Conflict, Invalid]
    if changes:
        errors += [Conflict, RequestTimeout, TooLarge, UnsupportedMediaType, Invalid]
    elif any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        errors.append(Invalid)
    if operation["security"]:
        errors += [Unauthorized, Forbidden, TooFast]
    refusals = refused_inference(*errors) if _is_protocol(path) else refused(*errors)
    answers = {status: reply for status, reply in operation["responses"].items() if status < "4"}
    return {
        **operation,
        "operationId": f"control.{operation['operationId']}",
        "tags": ["control"],
        "responses": dict(sorted((answers | refusals).items())),
    }


def _is_protocol(path: str) -> bool:
    return path.startswith("/v2")
