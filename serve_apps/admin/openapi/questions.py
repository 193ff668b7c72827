"""Describes a model's own requests and replies as JSON Schema: from its declaration, never from what was served."""

from typing import Any, TypeAlias

from windvane.configs.schema import Feature, ModelSpec
from windvane.serve_apps.admin.openapi.explanation import explanation_schema
from windvane.serve_apps.pipeline.actions import REFER
from windvane.serve_apps.protocol.casts import LARGEST_INTEGER
from windvane.serve_apps.protocol.features import LONGEST_TEXT, allowed_range, figure
from windvane.serve_apps.protocol.instances import (
    CONTEXT_MEMBERS,
    LONGEST_CONTEXT_TEXT,
    LONGEST_ID,
    LONGEST_PURPOSE,
    LONGEST_SUBJECT,
)
from windvane.serve_apps.protocol.outcomes import ID_PATTERN, MOST_KPIS

Json: TypeAlias = dict[str, Any]

DECISION_ID: Json = {"type": "string", "pattern": ID_PATTERN.replace("\\Z", "$")}
EVENT_TIME: Json = {
    "description": "The model's clock: ISO 8601 or Unix seconds, between 1970 and tomorrow",
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0}, {"type": "null"}],
}
TRUTH: Json = {"type": ["boolean", "integer"], "enum": [True, False, 1, 0]}
EXACT: Json = {"minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER}  # whole numbers that stand for a text
WARNINGS: Json = {
    "type": "array",
    "description": "What is not usual about the request; it is decided all the same",
    "items": {"$ref": "#/components/schemas/Place"},
}
SCALAR: Json = {
    "anyOf": [
        {"type": "string", "maxLength": LONGEST_CONTEXT_TEXT},
        {"type": "integer", "minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
    ]
}


def feature_schema(feature: Feature) -> Json:
    """Schema of this feature's value in a request.

    >>> feature_schema(Feature(name="stops", type="integer", min=0, max=20))
    {'type': ['integer', 'boolean'], 'minimum': 0, 'maximum': 20, 'description': '2.0 is 2, true is 1'}
    """
    schema: Json
    notes: list[str] = []
    match feature.type:
        case "boolean":
            schema = dict(TRUTH)
            notes = ["1 is true, 0 is false"]
        case "category":
            kinds = ["string", "integer", "boolean"]
            schema = {"type": kinds, "maxLength": LONGEST_TEXT, **EXACT, "examples": list(feature.categories)}
            notes = ["7 is the text 7", "any other value counts as unknown and is answered with a warning"]
        case "integer":
            schema = _number(feature)
            notes = ["2.0 is 2, true is 1"]
        case "number":
            schema = _number(feature)
    if feature.usual is not None:
        low, high = (figure(each, feature) for each in feature.usual)
        notes.append(f"usually {low} to {high}; others are answered with a warning")
    if feature.missing:
        schema = or_null(schema)
        notes.append("null or left out when it is missing")
    told = [feature.description, f"in {feature.unit}" if feature.unit else "", *notes]
    if any(told):
        schema["description"] = "; ".join(text for text in told if text)
    return schema


def or_null(schema: Json) -> Json:
    """The same where the member may also be null, which is as if it were left out."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    named = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [*kinds, "null"], **named}


def _number(feature: Feature) -> Json:
    low, high = allowed_range(feature)
    kinds = [feature.type, "boolean"] if low <= 0.0 and high >= 1.0 else feature.type
    if feature.type == "integer":
        return {"type": kinds, "minimum": int(low), "maximum": int(high)}
    return {"type": kinds, "minimum": low, "maximum": high}


def features_schema(spec: ModelSpec) -> Json:
    """The object of all features of one row."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [feature.name for feature in spec.features if not feature.missing],
        "properties": {feature.name: feature_schema(feature) for feature in spec.features},
    }


def question_schema(spec: ModelSpec, features: Json) -> Json:
    """One decision asked for; `features` is the schema of its features, or where it stands."""
    context: Json = {
        "type": "object",
        "description": "Anything to log beside the decision",
        "maxProperties": CONTEXT_MEMBERS,
        "propertyNames": {"maxLength": LONGEST_ID},
        "additionalProperties": SCALAR,
    }
    if spec.data.time is not None:
        context["properties"] = {"event_time": EVENT_TIME}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["subject", "features"],
        "properties": {
            "subject": {
                "type": ["string", "integer"],
                "minLength": 1,
                "maxLength": LONGEST_SUBJECT,
                **EXACT,
                "description": f"The {spec.unit} that is decided about; the same one stays with the same version",
            },
            "features": features,
            "context": or_null(context),
            "explain": or_null(TRUTH) | {"default": False, "description": "Whether the reply explains the score"},
            "purpose": purpose_schema(spec),
            "id": {
                "type": ["string", "integer", "null"],
                "minLength": 1,
                "maxLength": LONGEST_ID,
                **EXACT,
                "description": "Idempotency key: the same request sent again is answered again, not decided again",
            },
        },
    }


def purpose_schema(spec: ModelSpec) -> Json:
    """Schema of the purpose of a decision, for any endpoint."""
    purposes = [purpose.name for purpose in spec.purposes]
    said = f"What the decision is wanted for: {', '.join(purposes)}" if purposes else "None is declared: leave it out"
    purpose = {"type": ["string", "null"], "minLength": 1, "maxLength": LONGEST_PURPOSE}
    return purpose | {"description": f"{said}; for any other use it is denied"}


def many_schema(name: str, item: Json, most: int) -> Json:
    """Many of them under one name, and nothing beside it; one of them has to fit for the others to be answered."""
    any_other: Json = {"description": "What does not fit is answered with its problem, beside the others"}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name],
        "properties": {
            name: {
                "type": "array",
                "minItems": 1,
                "maxItems": most,
                "items": {"anyOf": [item, any_other]},
                "contains": item,
            }
        },
    }


def decisions_schema(decision: Json, most: int) -> Json:
    """The decisions about many instances in their order, and a problem where one of them does not fit."""
    problem: Json = {
        "type": "object",
        "required": ["problem"],
        "properties": {"problem": {"$ref": "#/components/schemas/Problem"}},
    }
    return {
        "type": "object",
        "required": ["decisions"],
        "properties": {
            "decisions": {"type": "array", "minItems": 1, "maxItems": most, "items": {"anyOf": [decision, problem]}},
            "refused": {"type": "integer", "minimum": 1, "description": "How many are problems; left out when none is"},
        },
    }


def decision_schema(spec: ModelSpec) -> Json:
    """One decision as it is answered."""
    actions = list(dict.fromkeys([*(action.name for action in spec.decision.actions), REFER]))
    return {
        "type": "object",
        "required": ["decision_id", "model", "version", "arm", "prediction", "decision"],
        "properties": {
            "decision_id": DECISION_ID | {"description": "Outcomes name the decision by it"},
            "model": {"const": spec.name},
            "version": {"type": "integer", "minimum": 1, "description": "The version that answered"},
            "arm": {"type": "string", "description": "The arm of the split that it answered in"},
            "prediction": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": f"Probability that {spec.target.name} is true",
            },
            "decision": {
                "type": "object",
                "required": ["action", "reasons"],
                "properties": {
                    "action": {
                        "type": "string",
                        "enum": actions,
                        "description": f"What to do; {REFER!r} where only a person may do what the score says",
                    },
                    "reasons": {"type": "array", "items": {"type": "string"}},
                },
            },
            "explanation": explanation_schema(spec),
            "warnings": WARNINGS,
        },
    }


def outcome_schema() -> Json:
    """Schema of one decision's outcome: a label, figures, or both."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["decision_id"],
        "properties": {
            "decision_id": DECISION_ID,
            "label": or_null(TRUTH) | {"description": "Whether the target came true"},
            "kpis": {
                "type": ["object", "null"],
                "maxProperties": MOST_KPIS,
                "propertyNames": {"minLength": 1, "maxLength": LONGEST_ID},
                "additionalProperties": {"type": ["number", "boolean", "null"]},
            },
        },
        "anyOf": [
            {"required": ["label"], "properties": {"label": {"not": {"type": "null"}}}},
            {"required": ["kpis"], "properties": {"kpis": {"type": "object", "minProperties": 1}}},
        ],
    }
