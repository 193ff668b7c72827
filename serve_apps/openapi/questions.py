"""What a model's own doors take and give, as JSON Schema: made from its declaration, never from what was served."""

from typing import Any, TypeAlias

from configs.schema import Feature, ModelSpec
from serve_apps.openapi.explanation import explanation_schema
from serve_apps.protocol.decide import (
    CONTEXT_MEMBERS,
    LONGEST_CONTEXT_TEXT,
    LONGEST_ID,
    LONGEST_PURPOSE,
    LONGEST_SUBJECT,
)
from serve_apps.protocol.features import LARGEST_INTEGER, LARGEST_NUMBER, LONGEST_TEXT
from serve_apps.protocol.outcomes import MOST_KPIS
from serve_apps.ruling import REFER

Json: TypeAlias = dict[str, Any]

DECISION_ID: Json = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
EVENT_TIME: Json = {
    "description": "The model's clock: ISO 8601 or Unix seconds, between 1970 and tomorrow",
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0}],
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
    """What a value of this feature must look like in a request.

    >>> feature_schema(Feature(name="stops", type="integer", min=0, max=20))
    {'type': 'integer', 'minimum': 0, 'maximum': 20, 'description': 'written without a decimal point'}
    """
    schema: Json
    notes: list[str] = []
    match feature.type:
        case "boolean":
            schema = {"type": "boolean"}
        case "category":
            schema = {"type": "string", "maxLength": LONGEST_TEXT, "examples": list(feature.categories)}
            notes = ["any other text counts as unknown"]
        case "integer":
            schema = {"type": "integer", **_bounds(feature, LARGEST_INTEGER)}
            notes = ["written without a decimal point"]
        case "number":
            schema = {"type": "number", **_bounds(feature, LARGEST_NUMBER)}
    if feature.missing:
        schema["type"] = [schema["type"], "null"]
        notes.append("null or left out when it is missing")
    told = [feature.description, f"in {feature.unit}" if feature.unit else "", *notes]
    if any(told):
        schema["description"] = "; ".join(text for text in told if text)
    return schema


def _bounds(feature: Feature, largest: float) -> Json:
    low = -largest if feature.min is None else max(-largest, feature.min)
    high = largest if feature.max is None else min(largest, feature.max)
    if feature.type == "integer":
        return {"minimum": int(low), "maximum": int(high)}
    return {"minimum": low, "maximum": high}


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
                "type": "string",
                "minLength": 1,
                "maxLength": LONGEST_SUBJECT,
                "description": f"The {spec.unit} that is decided about; the same one stays with the same version",
            },
            "features": features,
            "context": context,
            "explain": {"type": "boolean", "default": False, "description": "Whether the reply explains the score"},
            "purpose": purpose_schema(spec),
            "id": {
                "type": ["string", "null"],
                "minLength": 1,
                "maxLength": LONGEST_ID,
                "description": "Idempotency key: the same request sent again is answered again, not decided again",
            },
        },
    }


def purpose_schema(spec: ModelSpec) -> Json:
    """What a decision may be wanted for, by any door."""
    purposes = [purpose.name for purpose in spec.purposes]
    said = f"What the decision is wanted for: {', '.join(purposes)}" if purposes else "None is declared: leave it out"
    purpose = {"type": "string", "minLength": 1, "maxLength": LONGEST_PURPOSE}
    return purpose | {"description": f"{said}; for any other use it is denied"}


def many_schema(name: str, item: Json, most: int) -> Json:
    """Many of them under one name, and nothing beside it."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name],
        "properties": {name: {"type": "array", "minItems": 1, "maxItems": most, "items": item}},
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
        },
    }


def outcome_schema() -> Json:
    """What happened after one decision: a label, figures, or both."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["decision_id"],
        "properties": {
            "decision_id": DECISION_ID,
            "label": {"type": ["boolean", "null"], "description": "Whether the target came true"},
            "kpis": {
                "type": "object",
                "maxProperties": MOST_KPIS,
                "propertyNames": {"minLength": 1, "maxLength": LONGEST_ID},
                "additionalProperties": {"type": "number"},
            },
        },
        "anyOf": [
            {"required": ["label"], "properties": {"label": {"type": "boolean"}}},
            {"required": ["kpis"], "properties": {"kpis": {"minProperties": 1}}},
        ],
    }
