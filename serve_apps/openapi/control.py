"""The control API's paths: FastAPI's schema of them, with the refusals that Windvane really sends."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from cluster.errors import Conflict, Forbidden, Invalid, Malformed, NotFound, Unavailable, WindvaneError
from serve_apps.openapi.refusals import refused, refused_inference
from serve_apps.protocol.problem import UnsupportedMediaType

Json: TypeAlias = dict[str, Any]

OPEN_PATHS = frozenset({"/api/health", "/v2", "/v2/health/live", "/v2/health/ready"})  # probes ask without a token
CLOSED_PATHS = frozenset({"/api/subjects/{subject}/consent"})  # asked for a token on loopback, too
OWNER: list[Json] = [{"ownerToken": []}]
FASTAPI_S_OWN = frozenset({"HTTPValidationError", "ValidationError"})  # what it would send, were it asked


def control_paths(admin: Mapping[str, Any], open_reading: bool) -> Json:
    """Every operation with its refusals and whether it asks for the owner's token; `admin` is what FastAPI says."""
    return {
        path: {method: _operation(path, method, operation, open_reading) for method, operation in methods.items()}
        for path, methods in admin["paths"].items()
    }


def control_schemas(admin: Mapping[str, Any]) -> Json:
    """The schemas of its bodies, apart from those of FastAPI's own error replies."""
    schemas: Mapping[str, Json] = admin.get("components", {}).get("schemas", {})
    return {name: schema for name, schema in schemas.items() if name not in FASTAPI_S_OWN}


def _operation(path: str, method: str, operation: Mapping[str, Any], open_reading: bool) -> Json:
    changes = method != "get"
    errors: list[type[WindvaneError]] = [WindvaneError, Invalid if _is_protocol(path) else Malformed]
    if path not in ("/api/health", "/v2", "/v2/health/live"):  # which look at nothing
        errors.append(Unavailable)
    if "{" in path:
        errors.append(NotFound)
    if changes:
        errors += [Forbidden, Conflict, UnsupportedMediaType, Invalid]
    elif any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        errors.append(Invalid)
    closed = changes or path in CLOSED_PATHS or not (open_reading or path in OPEN_PATHS)
    if closed:
        errors.append(Forbidden)
    refusals = refused_inference(*errors) if _is_protocol(path) else refused(*errors)
    answers = {status: reply for status, reply in operation["responses"].items() if status < "4"}
    return {
        **operation,
        "operationId": f"control.{operation['operationId']}",
        "tags": ["control"],
        "responses": dict(sorted((answers | refusals).items())),
        **({"security": OWNER} if closed else {}),
    }


def _is_protocol(path: str) -> bool:
    return path.startswith("/v2")
