"""One deployed model's paths: what each endpoint takes, every status it can answer with, and what it then sends."""

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
from windvane.configs.access import ROLES
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.admin.openapi import examples, inference
from windvane.serve_apps.admin.openapi.questions import (
    decision_schema,
    decisions_schema,
    features_schema,
    many_schema,
    outcome_schema,
    question_schema,
)
from windvane.serve_apps.admin.openapi.refusals import GIVEN_UP, refused, refused_inference
from windvane.serve_apps.admin.route_auth import needs
from windvane.serve_apps.endpoints.authentication import CLIENTS
from windvane.serve_apps.protocol.problem import RequestTimeout, UnsupportedMediaType

Json: TypeAlias = dict[str, Any]

OF_A_BODY = (Malformed, RequestTimeout, TooLarge, UnsupportedMediaType, Invalid)
# until a deployed model's Gateway runs, control says that there is none; the issuer's keys may be away
ALWAYS = (NotFound, WindvaneError, Unauthorized, Forbidden, TooFast, Unavailable)
OF_A_DECISION = (*OF_A_BODY, *ALWAYS, Conflict, Overloaded, Expired)
# of the protocol's own endpoints: what cannot be read has the status of what is wrong, and there is no idempotency key
OF_AN_INFERENCE = tuple(error for error in OF_A_DECISION if error not in (Malformed, Conflict))
TIMEOUT: Json = {"$ref": "#/components/parameters/RequestTimeout"}
OVERRIDE: Json = {"$ref": "#/components/parameters/Version"}
JSON_LENGTH: Json = {"$ref": "#/components/parameters/JsonLength"}
VERSION_IN_PATH: Json = {"$ref": "#/components/parameters/VersionInPath"}


def ref(name: str) -> Json:
    """Reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


ACCEPTED: Json = {
    "type": "object",
    "required": ["accepted"],
    "properties": {
        "accepted": {
            "type": "integer",
            "minimum": 1,
            "description": "How many are on the log. Whether each names a decision turns out when they are joined: "
            "the monitor counts those that never do as unmatched",
        },
        "refused": {"type": "integer", "minimum": 1, "description": "How many are not; left out when all are"},
        "errors": {"type": "array", "items": ref("Place"), "description": "What is wrong with those"},
    },
}
READY: Json = {"type": "object", "required": ["ready"], "properties": {"ready": {"const": True}}}
SCHEMAS: Json = {"Outcome": outcome_schema(), "Accepted": ACCEPTED, "ModelReady": READY, **inference.SCHEMAS}


def model_schemas(spec: ModelSpec) -> Json:
    """The model's own `components.schemas`, made from its declaration."""
    most = spec.serving.max_instances
    own = {
        "Features": features_schema(spec),
        "Question": question_schema(spec, ref(f"{spec.name}.Features")),
        "Questions": many_schema("instances", ref(f"{spec.name}.Question"), most),
        "Decision": decision_schema(spec),
        "Decisions": decisions_schema(ref(f"{spec.name}.Decision"), most),
        "Outcomes": many_schema("outcomes", ref("Outcome"), most),
        "InferenceRequest": inference.request_schema(spec),
    }
    return {f"{spec.name}.{name}": schema for name, schema in own.items()}


def model_paths(spec: ModelSpec) -> Json:
    """Every path under `/v2/models/{name}`."""
    prefix = f"/v2/models/{spec.name}"
    return {
        f"{prefix}/decide": {"post": _decide(spec)},
        f"{prefix}/outcomes": {"post": _outcomes(spec)},
        prefix: {"get": _metadata(spec)},
        f"{prefix}/ready": {"get": _ready(spec)},
        f"{prefix}/infer": {"post": _infer(spec)},
        f"{prefix}/versions/{{version}}": {"get": _metadata(spec, VERSION_IN_PATH)},
        f"{prefix}/versions/{{version}}/ready": {"get": _ready(spec, VERSION_IN_PATH)},
        f"{prefix}/versions/{{version}}/infer": {"post": _infer(spec, VERSION_IN_PATH)},
    }


def _decide(spec: ModelSpec) -> Json:
    name = spec.name
    return {
        "operationId": f"{name}.decide",
        "tags": [name],
        "summary": f"Decide about one {spec.unit}, or about many",
        "description": spec.description or f"Whether {spec.target.name}.",
        "parameters": [TIMEOUT, OVERRIDE],
        "requestBody": _body({"anyOf": [ref(f"{name}.Question"), ref(f"{name}.Questions")]}, examples.questions(spec)),
        "responses": {
            "200": _answer(
                "The decision, or the decisions in the order of the instances, a problem where one of them is wrong; "
                "when all are, the answer is 422",
                {"anyOf": [ref(f"{name}.Decision"), ref(f"{name}.Decisions")]},
            ),
            **refused(*OF_A_DECISION),
            **GIVEN_UP,
        },
        **needs(*CLIENTS),
    }


def _outcomes(spec: ModelSpec) -> Json:
    return {
        "operationId": f"{spec.name}.outcomes",
        "tags": [spec.name],
        "summary": "Say what happened after decisions",
        "description": "Late, and as often as you like: the newest report of a decision counts. Those that are wrong "
        "do not keep the others from being logged; when all are, the answer is 422.",
        "requestBody": _body({"anyOf": [ref("Outcome"), ref(f"{spec.name}.Outcomes")]}, examples.outcomes()),
        "responses": {
            "200": _answer("They are on the log", ref("Accepted")),
            **refused(*OF_A_BODY, *ALWAYS),
        },
        **needs(*CLIENTS),
    }


def _metadata(spec: ModelSpec, *parameters: Json) -> Json:
    return {
        "operationId": f"{spec.name}.{'version.' if parameters else ''}metadata",
        "tags": [spec.name],
        "summary": "What the model takes and gives",
        "parameters": list(parameters),
        "responses": {
            "200": _answer("Versions, inputs and outputs", ref("ModelMetadata")),
            **refused_inference(Invalid, *ALWAYS),
        },
        **needs(*ROLES),
    }


def _ready(spec: ModelSpec, *parameters: Json) -> Json:
    return {
        "operationId": f"{spec.name}.{'version.' if parameters else ''}ready",
        "tags": [spec.name],
        "summary": "Whether decisions are answered",
        "parameters": list(parameters),
        "responses": {
            "200": _answer("They are", ref("ModelReady")),
            **refused_inference(Invalid, *ALWAYS),
        },
        **needs(*ROLES),
    }


def _infer(spec: ModelSpec, *parameters: Json) -> Json:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "operationId": f"{spec.name}.{'version.' if parameters else ''}infer",
        "tags": [spec.name],
        "summary": "Decide over the Open Inference Protocol",
        "description": "Governed, logged and counted like `decide`.",
        "parameters": [*parameters, TIMEOUT, OVERRIDE, JSON_LENGTH],
        "requestBody": _body(
            ref(f"{spec.name}.InferenceRequest"), examples.inferences(spec), **{"application/octet-stream": binary}
        ),
        "responses": {
            "200": {
                **_answer("The outputs", ref("InferenceReply"), **{"application/octet-stream": binary}),
                "headers": {"Inference-Header-Content-Length": {"$ref": "#/components/headers/JsonLength"}},
            },
            **refused_inference(*OF_AN_INFERENCE),
            **GIVEN_UP,
        },
        **needs(*CLIENTS),
    }


def _body(schema: Json, tried: Json, **other: Json) -> Json:
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": tried}, **other}}


def _answer(description: str, schema: Json, **other: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}, **other}}
