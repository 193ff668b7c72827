"""An adverse action is answered with its reasons, at every endpoint, as the document says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.worlds.bundles import make_bundle, spec_of
from tests.worlds.gateway.conformity import Conformity
from tests.worlds.gateway.world import DECIDE, FEATURES, World, champion, gateway
from windvane.serve_apps.admin.openapi.document import document
from windvane.serve_apps.versions.loaded_version import load_version

SPEC = spec_of(adverse=True, counterfactual=True)
LATE = {"temp": 12.0, "distance": 2500.0, "stops": 3, "night": True, "origin": "EWR"}
INFER = "/v2/models/trips/infer"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    with gateway({1: load_version(1, make_bundle(home, 1), SPEC)}, champion(), home, SPEC) as world:
        yield world


@pytest.fixture(scope="module")
def conformity() -> Conformity:
    return Conformity(document([SPEC], {"openapi": "3.1.0", "paths": {}, "components": {"schemas": {}}}))


@pytest.mark.parametrize("asked", [{}, {"explain": True}])
def test_decide_tells_whoever_asked_why_and_what_else_would_have_been(
    endpoint: World, conformity: Conformity, asked: dict[str, Any]
) -> None:
    reply = endpoint.ask(DECIDE, {"subject": "s", "features": LATE, **asked})
    assert conformity.of("POST", DECIDE, reply) == []
    decided = reply.json
    assert decided["decision"]["action"] == "warn"
    told = decided["explanation"]
    assert all(reason["weight"] > 0.0 for reason in told["reasons"])
    assert {reason["value"] for reason in told["reasons"]} <= set(LATE.values())
    assert told["counterfactual"]["outcome"] == "found"
    changed = LATE | {change["feature"]: change["after"] for change in told["counterfactual"]["changes"]}
    again = endpoint.ask(DECIDE, {"subject": "s", "features": changed}).json
    assert (again["prediction"], again["decision"]["action"]) == (told["counterfactual"]["prediction"], "keep")
    assert "explanation" not in again


def test_where_nothing_else_would_have_been_it_says_so(conformity: Conformity, tmp_path: Any) -> None:
    stuck = SPEC.model_copy(
        update={
            "features": tuple(
                feature.model_copy(update={"mutable": feature.name == "temp"}) for feature in SPEC.features
            )
        }
    )
    with gateway({1: load_version(1, make_bundle(tmp_path, 1), stuck)}, champion(), tmp_path, stuck) as world:
        reply = world.ask(DECIDE, {"subject": "s", "features": LATE})
        assert conformity.of("POST", DECIDE, reply) == []
        found = reply.json["explanation"]["counterfactual"]
        assert (found["outcome"], found["searched"]) == ("none found", ["temp"])
        [record] = world.decisions
        assert record.grounds is not None
        assert record.grounds.counterfactual is not None
        assert record.grounds.counterfactual.text == found["text"]


def test_the_inference_endpoint_tells_the_same(endpoint: World, conformity: Conformity) -> None:
    tensors = [
        {"name": "temp", "shape": [2], "datatype": "FP64", "data": [12.0, FEATURES["temp"]]},
        {"name": "distance", "shape": [2], "datatype": "FP64", "data": [2500.0, 10.0]},
        {"name": "stops", "shape": [2], "datatype": "INT64", "data": [3, 0]},
        {"name": "night", "shape": [2], "datatype": "BOOL", "data": [True, False]},
        {"name": "origin", "shape": [2], "datatype": "BYTES", "data": ["EWR", "EWR"]},
    ]
    reply = endpoint.ask(INFER, {"inputs": tensors})
    assert conformity.of("POST", INFER, reply) == []
    outputs = {output["name"]: output["data"] for output in reply.json["outputs"]}
    assert outputs["action"] == ["warn", "keep"]
    told = endpoint.ask(DECIDE, {"subject": "s", "features": LATE}).json["explanation"]
    grounds = json.loads(outputs["grounds"][0])
    assert grounds["reasons"] == told["reasons"]
    assert grounds["counterfactual"] == told["counterfactual"]
    assert outputs["grounds"][1] == ""
