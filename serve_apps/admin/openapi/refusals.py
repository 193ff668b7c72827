"""Every reply that is an error, as the document tells of it: one response a kind of error, made from the error tree."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from windvane.cluster.errors import (
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    Overloaded,
    TooFast,
    TooLarge,
    Unauthorized,
    Unavailable,
    WindvaneError,
)
from windvane.serve_apps.protocol.infer_reply import UNREADABLE
from windvane.serve_apps.protocol.problem import MEDIA_TYPE, MethodNotAllowed, RequestTimeout, UnsupportedMediaType

Json: TypeAlias = dict[str, Any]

ERRORS: tuple[type[WindvaneError], ...] = (
    Malformed,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    Invalid,
    Overloaded,
    TooFast,
    WindvaneError,
    Unavailable,
    Expired,
)

MEANINGS: dict[type[WindvaneError], str] = {  # where the docstring speaks to those who raise it
    WindvaneError: "A fault of the server; its log has the cause.",
    Invalid: "What was sent is understood and wrong; every place is named at once.",
    Unavailable: "Not now; the same request may succeed after the time that Retry-After says.",
}
GIVEN_UP = {"408": {"$ref": "#/components/responses/GivenUp"}}  # by Ray Serve, too, where a request goes through it

PROBLEM: Json = {
    "type": "object",
    "description": "What went wrong, where, and what to do next (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:windvane:problem:[a-z-]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "One sentence that says what to do next"},
        "instance": {"type": "string", "description": "The path that was asked"},
        "decision_ids": {
            "type": "array",
            "description": "Under which ids what policy denied is on record",
            "items": {"type": "string"},
        },
        "policies": {
            "type": "array",
            "description": "The policies that denied it; none where no policy allows it",
            "items": {"type": "string"},
        },
        "policy_version": {"type": "string", "description": "SHA-256 of the policy set that they are of"},
        "errors": {
            "type": "array",
            "description": "Every offending place of the body at once",
            "items": {"$ref": "#/components/schemas/Place"},
        },
    },
}
PLACE: Json = {
    "type": "object",
    "required": ["pointer", "detail"],
    "properties": {
        "pointer": {"type": "string", "description": "JSON pointer (RFC 6901); empty is the whole"},
        "detail": {"type": "string"},
    },
}
INFERENCE_ERROR: Json = {
    "type": "object",
    "description": "The Open Inference Protocol's form of an error.",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
SCHEMAS: Json = {"Problem": PROBLEM, "Place": PLACE, "InferenceError": INFERENCE_ERROR}


def responses() -> Json:
    """All of them for `components.responses`, each in both forms: a problem document, and the protocol's `error`."""
    as_problem = {error.__name__: _response(error, MEDIA_TYPE.decode(), "Problem") for error in ERRORS}
    as_inference = {
        f"Inference{error.__name__}": _response(error, "application/json", "InferenceError") for error in ERRORS
    }
    given_up = {
        "description": "The body took too long to arrive; or, as plain text and on attached clusters, the time that "
        "the caller allowed was over before the model could say so.",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            MEDIA_TYPE.decode(): {"schema": {"$ref": "#/components/schemas/Problem"}},
            "application/json": {"schema": {"$ref": "#/components/schemas/InferenceError"}},
        },
    }
    return as_problem | as_inference | {"GivenUp": given_up}


def refused(*errors: type[WindvaneError]) -> Json:
    """An operation's refusals by status, as problem documents.

    >>> refused(NotFound)
    {'404': {'$ref': '#/components/responses/NotFound'}}
    """
    return {str(error.status): {"$ref": f"#/components/responses/{error.__name__}"} for error in errors}


def refused_inference(*errors: type[WindvaneError]) -> Json:
    """The same on a path of the Open Inference Protocol, which knows one status for whatever is wrong with a request.

    >>> refused_inference(Invalid)
    {'400': {'$ref': '#/components/responses/InferenceInvalid'}}
    """
    return {
        str(UNREADABLE if error is Invalid else error.status): {
            "$ref": f"#/components/responses/Inference{error.__name__}"
        }
        for error in errors
    }


def _response(error: type[WindvaneError], media_type: str, schema: str) -> Json:
    return {
        "description": MEANINGS.get(error) or (error.__doc__ or "").partition("\n")[0],
        "headers": _headers(error),
        "content": {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _headers(error: type[WindvaneError]) -> Mapping[str, Json]:
    if issubclass(error, Unavailable):
        return {
            "Retry-After": {
                "description": "Seconds to wait before asking again",
                "required": True,
                "schema": {"type": "integer", "minimum": 1},
            }
        }
    if issubclass(error, Unauthorized):
        return {
            "WWW-Authenticate": {
                "description": "What to send: a bearer (RFC 6750)",
                "required": True,
                "schema": {"type": "string"},
            }
        }
    if issubclass(error, MethodNotAllowed):
        return {"Allow": {"description": "What is answered", "required": True, "schema": {"type": "string"}}}
    return {}
