"""Health services and load balancers ask with HEAD and OPTIONS, mostly without a key."""

import pytest

from tests.worlds.admin.api import api_of
from tests.worlds.admin.world import AdminWorld, ControlClient

OPEN = ("/api/health", "/v2", "/v2/health/live", "/v2/health/ready", "/console", "/console/console.js")
CLOSED = ("/api/status", "/metrics", "/openapi.json", "/docs", "/api/models/trips/versions")


@pytest.fixture
def paths(world: AdminWorld) -> list[str]:
    return [path for path, methods in api_of(world).get("/openapi.json").json()["paths"].items() if "get" in methods]


@pytest.mark.parametrize("path", [*OPEN, *CLOSED])
def test_head_is_get_without_its_body(world: AdminWorld, path: str) -> None:
    api = api_of(world)
    whole, head = api.get(path), api.request("HEAD", path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize("path", CLOSED)
def test_head_asks_for_the_key_that_get_asks_for(world: AdminWorld, path: str) -> None:
    stranger = ControlClient(world, {}, switchboard=world.switchboard)
    assert [stranger.request(method, path).status_code for method in ("GET", "HEAD", "OPTIONS")] == [401, 401, 401]


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_is_open_to_head_and_options(world: AdminWorld, path: str) -> None:
    stranger = ControlClient(world, {}, switchboard=world.switchboard)
    assert stranger.request("HEAD", path).status_code == stranger.get(path).status_code
    assert stranger.request("OPTIONS", path).headers["allow"] == "GET, HEAD, OPTIONS"


def test_every_path_that_is_read_answers_head_and_options(world: AdminWorld, paths: list[str]) -> None:
    api = api_of(world)
    for path in paths:
        if not path.startswith("/v2/models/"):  # the model's gateway answers those
            asked = path.replace("{version}", "1").replace("{model}", "trips")
            assert api.request("HEAD", asked).status_code == api.get(asked).status_code, path
            allowed = api.request("OPTIONS", asked)
            assert allowed.status_code == 204
            assert {"GET", "HEAD", "OPTIONS"} <= set(allowed.headers["allow"].split(", ")), path


def test_what_is_only_written_or_not_there_says_so(world: AdminWorld) -> None:
    api = api_of(world)
    head = api.request("HEAD", "/api/models/trips/retrain")
    assert (head.status_code, head.content, head.headers["allow"]) == (405, b"", "OPTIONS, POST")
    assert api.request("OPTIONS", "/api/models/trips/retrain").headers["allow"] == "OPTIONS, POST"
    assert (api.request("HEAD", "/nowhere").status_code, api.request("OPTIONS", "/nowhere").status_code) == (404, 404)
