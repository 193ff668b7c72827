"""The OpenAPI document of the protocol's endpoints, held against real replies."""

from pathlib import Path
from typing import Any

import pytest

from tests.worlds.admin.api import TRIPS, api_of
from tests.worlds.admin.world import AdminWorld
from tests.worlds.gateway.conformity import Conformity
from tests.worlds.gateway.world import DECIDE, Reply, World, asked, gateway
from windvane.serve_apps.versions.loaded_version import LoadedVersion

BLOCK = {"name": "rows", "shape": [1, 5], "datatype": "FP64", "data": [[3.5, 1200.0, 1, 1, 1]]}
COLUMNS = [
    {"name": "temp", "shape": [2], "datatype": "FP64", "data": [3.5, None]},
    {"name": "distance", "shape": [2, 1], "datatype": "FP32", "data": [[1.0], [2.0]]},
    {"name": "stops", "shape": [2], "datatype": "INT64", "data": [1, 2]},
    {"name": "night", "shape": [2], "datatype": "BOOL", "data": [True, False]},
    {"name": "origin", "shape": [2], "datatype": "BYTES", "data": ["JFK", "EWR"]},
]


def test_every_example_of_the_document_fits_it_and_is_answered(
    endpoint: World, conformity: Conformity, whole: dict[str, Any]
) -> None:
    tried = []
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            for kind in operation.get("requestBody", {}).get("content", {}).values():
                for example in kind.get("examples", {}).values():
                    where = path.format(version=1)
                    assert conformity.asked(method, where, example["value"]) == []
                    reply = endpoint.ask(where, example["value"], method.upper())
                    assert (reply.status, conformity.of(method, where, reply)) == (200, []), reply.body
                    tried.append(path)
    assert {path.rpartition("/")[2] for path in tried} == {"decide", "outcomes", "infer"}


@pytest.mark.parametrize("at", [TRIPS, f"{TRIPS}/versions/1"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"inputs": [BLOCK]}, 200),
        ({"id": "42", "model_name": "trips", "inputs": COLUMNS, "parameters": {"subject": "a", "explain": True}}, 200),
        ({"inputs": [BLOCK], "outputs": [{"name": "version"}, {"name": "explanation"}]}, 200),
        ({"inputs": [BLOCK], "outputs": [{"name": "action", "parameters": {"binary_data": True}}]}, 200),
        ({"inputs": [BLOCK | {"shape": [2, 5]}]}, 400),
        ({"inputs": []}, 400),
        ({"inputs": [BLOCK | {"shape": [17, 5], "data": [1.0] * 85}]}, 413),
        (b"{", 400),
        (b" " * 70_000, 413),
    ],
)
def test_inference_is_taken_and_answered_as_the_document_says(
    endpoint: World, conformity: Conformity, at: str, body: Any, status: int
) -> None:
    path = f"{at}/infer"
    if status == 200:
        assert conformity.asked("POST", path, body) == []
    reply = endpoint.ask(path, body)
    assert reply.status == status, reply.body
    assert conformity.of("POST", path, reply) == []


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", TRIPS, {}, 200),
        ("GET", f"{TRIPS}/ready", {}, 200),
        ("GET", f"{TRIPS}/versions/1", {}, 200),
        ("GET", f"{TRIPS}/versions/2/ready", {}, 200),
        ("GET", f"{TRIPS}/versions/3", {}, 404),
        ("GET", f"{TRIPS}/versions/x/ready", {}, 404),
        ("POST", f"{TRIPS}/versions/3/infer", {}, 404),
        ("POST", f"{TRIPS}/versions/2/infer", {}, 403),
        ("POST", f"{TRIPS}/infer", {"content_type": "text/plain"}, 415),
        ("POST", f"{TRIPS}/infer", {"x_windvane_version": "2"}, 403),
        ("POST", f"{TRIPS}/infer", {"inference_header_content_length": "x"}, 400),
    ],
)
def test_the_protocols_paths_are_answered_as_the_document_says(
    endpoint: World, conformity: Conformity, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    reply = endpoint.ask(path, {"inputs": [BLOCK]}, method, **headers)
    assert reply.status == status, reply.body
    assert conformity.of(method, path, reply) == []


def test_a_model_that_is_not_ready_is_answered_as_the_document_says(
    versions: dict[int, LoadedVersion], tmp_path: Path, conformity: Conformity
) -> None:
    with gateway(versions, None, tmp_path) as world:
        for method, path, body in (
            ("GET", f"{TRIPS}/ready", b""),
            ("POST", DECIDE, asked()),
            ("POST", f"{TRIPS}/infer", {"inputs": [BLOCK]}),
        ):
            reply = world.ask(path, body, method)
            assert (reply.status, conformity.of(method, path, reply)) == (503, [])


def test_the_servers_own_paths_are_answered_as_the_document_says(admin: AdminWorld) -> None:
    api = api_of(admin)
    conformity = Conformity(api.get("/openapi.json").json())
    for path, status in (("/v2", 200), ("/v2/health/live", 200), ("/v2/health/ready", 503)):
        found = api.get(path)
        assert found.status_code == status, found.text
        assert conformity.of("GET", path, Reply(status, dict(found.headers), found.content)) == []
