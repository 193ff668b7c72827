"""Describes a decision's explanation as JSON Schema made from the model's declaration."""

from typing import Any, TypeAlias

from windvane.configs.schema import ModelSpec
from windvane.serve_apps.versions.reasons.adverse_action import TOP_FEATURES

Json: TypeAlias = dict[str, Any]

VALUE: Json = {"type": ["number", "boolean", "string", "null"]}


def reason_schema() -> Json:
    """One feature's part in a score."""
    return {
        "type": "object",
        "required": ["feature", "value", "weight", "text"],
        "properties": {
            "feature": {"type": "string"},
            "value": VALUE | {"description": "What was sent"},
            "weight": {"type": "number", "description": "What it added, in log-odds"},
            "text": {"type": "string", "description": "The same in the declared words"},
        },
    }


def explanation_schema(spec: ModelSpec) -> Json:
    """Schema of a score's explanation, and of what an adverse action owes."""
    reasons = {"type": "array", "items": reason_schema()}
    properties: Json = {
        "base_value": {"type": "number"},
        "top_features": reasons
        | {"description": "The features that weigh most, heaviest first", "maxItems": TOP_FEATURES},
    }
    if spec.decision.adverse:
        described = f"Of an adverse action ({', '.join(spec.decision.adverse)}): what led to it, weightiest first"
        properties["reasons"] = reasons | {"description": described, "maxItems": spec.explanation.reasons}
    if spec.explanation.counterfactual:
        properties["counterfactual"] = {"oneOf": [_found(spec), NONE_FOUND]}
    return {
        "type": "object",
        "description": "Exact TreeSHAP: the base value and the weights of all features add up to the score's log-odds.",
        "required": ["base_value", "top_features"],
        "properties": properties,
    }


def _found(spec: ModelSpec) -> Json:
    changes = {
        "type": "array",
        "minItems": 1,
        "maxItems": spec.explanation.most_changes,
        "items": {
            "type": "object",
            "required": ["feature", "before", "after"],
            "properties": {"feature": {"type": "string"}, "before": VALUE, "after": VALUE},
        },
    }
    return {
        "type": "object",
        "description": "The smallest change found of what the subject can change that leads to another action",
        "required": ["outcome", "text", "changes", "prediction", "action", "cost", "proven", "rows"],
        "properties": {
            "outcome": {"const": "found"},
            "text": {"type": "string"},
            "changes": changes,
            "prediction": {"type": "number", "minimum": 0, "maximum": 1},
            "action": {"enum": [action.name for action in spec.decision.actions if not action.adverse]},
            "cost": {"type": "number", "minimum": 0},
            "proven": {"type": "integer", "description": "Up to so many changes together nothing cheaper does it"},
            "rows": {"type": "integer", "description": "Scored to find it"},
        },
    }


NONE_FOUND: Json = {
    "type": "object",
    "description": "Nothing within the searched changes does it; not that nothing could",
    "required": ["outcome", "text", "searched", "proven", "rows"],
    "properties": {
        "outcome": {"const": "none found"},
        "text": {"type": "string"},
        "searched": {"type": "array", "items": {"type": "string"}},
        "proven": {"type": "integer"},
        "rows": {"type": "integer"},
    },
}
