"""Callers, models and requests in the shapes that `configs/policies/windvane.cedarschema` describes."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import cedarpy
import msgspec

from windvane.cluster.policies.policy import (
    ACT,
    APPROVE,
    DECIDE,
    ON_MODEL,
    ON_SYSTEM,
    CallerFacts,
    Mandate,
    Principal,
    Request,
    Value,
    act_context,
    approve_context,
    decide_context,
)

Uid: TypeAlias = dict[str, str]


def caller_uid(caller: Principal) -> Uid:
    """The entity that asks."""
    return {"type": "Caller", "id": caller.name}


def resource_uid(mandate: Mandate | None) -> Uid:
    """The entity it is about: a model, or Windvane itself."""
    return {"type": "System", "id": "windvane"} if mandate is None else {"type": "Model", "id": mandate.model}


def entities(caller: Principal, mandate: Mandate | None, schema: cedarpy.Schema) -> cedarpy.Entities:
    """Both entities, held to the schema; ValueError or TypeError when they do not fit it."""
    for given in (caller.roles, caller.models):
        if not isinstance(given, frozenset) and given is not None:  # a text would pass for a set of its letters
            raise TypeError(f"roles and models of a caller are frozen sets, not {type(given).__name__}")
    models = caller.models
    attributes = {"name": caller.name, "all_models": models is None, "models": models or ()}
    roles = [{"type": "Role", "id": role} for role in caller.roles]
    both = [
        {"uid": caller_uid(caller), "attrs": attributes, "parents": roles},
        {"uid": resource_uid(mandate), "attrs": _declared(mandate), "parents": ()},
    ]
    return cedarpy.Entities.from_json_str(msgspec.json.encode(both).decode(), schema)


def question(principal: Uid, action: str, resource: Uid, context: Mapping[str, Value]) -> dict[str, Any]:
    """The request as Cedar takes it: names as plain texts, never as Cedar source."""
    return {
        "principal": principal,
        "action": {"type": "Action", "id": action},
        "resource": resource,
        "context": msgspec.json.encode(context).decode(),
    }


def misfits(schema: cedarpy.Schema) -> Iterator[str]:
    """Errors by the schema in the requests that Windvane makes, one sentence each."""
    nothing = cedarpy.PolicySet.from_str("")  # without a rule, every error is the schema's
    for request in _samples():
        uids = caller_uid(request.caller), resource_uid(request.mandate)
        try:
            known = entities(request.caller, request.mandate, schema)
        except ValueError as error:
            yield f"a caller and a model, with the attributes they had when Windvane was made: {error}"
            return
        asked = question(uids[0], request.action, uids[1], request.context)
        yield from cedarpy.is_authorized(asked, nothing, known, schema).diagnostics.errors


def _samples() -> Iterator[Request]:
    caller = CallerFacts("sample", frozenset({"client"}), frozenset({"sample"}))
    for limit in (None, 0):
        model = Mandate("sample", refer_from_ppm=limit)
        for consent in (None, True):
            yield Request(caller, DECIDE, model, decide_context("sample", consent))
        yield Request(caller, ACT, model, act_context("sample", "sample", 0.5))
    for mandate, actions in ((Mandate("sample"), ON_MODEL), (None, ON_SYSTEM)):
        yield Request(caller, APPROVE, mandate, approve_context("somebody"))
        for action in sorted(actions):
            yield Request(caller, action, mandate)


def _declared(mandate: Mandate | None) -> dict[str, Any]:
    if mandate is None:
        return {}
    attributes = msgspec.structs.asdict(mandate)
    attributes["name"] = attributes.pop("model")
    if mandate.refer_from_ppm is None:
        del attributes["refer_from_ppm"]
    return attributes
