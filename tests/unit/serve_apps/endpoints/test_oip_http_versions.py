"""The protocol's versions over HTTP: in the path, in the owner's header, in replies and in metadata."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.worlds.callers.keys import BOSS as OWNER
from tests.worlds.gateway.inference import ALL, BODY, INFER, MODEL, outputs
from tests.worlds.gateway.world import World, canary, champion, gateway
from windvane.serve_apps.versions.loaded_version import LoadedVersion


def test_rows_of_several_versions_name_each(versions: dict[int, LoadedVersion], home: Path) -> None:
    with gateway(versions, canary(), home) as world:
        units = {"name": "subject", "datatype": "BYTES", "shape": [16], "data": [f"unit {n}" for n in range(16)]}
        rows = {"name": "all", "datatype": "FP64", "shape": [16, 5], "data": ALL * 16}
        reply = world.ask(INFER, {"inputs": [units, rows], "outputs": [{"name": "version"}]})
        assert set(outputs(reply)["version"]) == {1, 2}
        assert "model_version" not in reply.json
        for subject in ("a", "b"):
            one = world.ask(INFER, BODY | {"parameters": {"subject": subject}, "outputs": [{"name": "version"}]})
            assert one.json["model_version"] == str(outputs(one)["version"][0])


def status_of(world: World, path: str, headers: Mapping[str, str] = {}) -> int:
    reply = world.ask(path, BODY, **headers)
    if reply.status != 200:
        assert list(reply.json) == ["error"]
    return reply.status


def test_a_version_in_the_path_obeys_the_split(versions: dict[int, LoadedVersion], home: Path) -> None:
    with gateway(versions, champion(warm=(2,)), home) as world:
        assert status_of(world, f"{MODEL}/versions/1/infer") == 200
        assert world.decisions[-1].arm == "champion"
        assert status_of(world, f"{MODEL}/versions/2/infer") == 403
        assert status_of(world, f"{MODEL}/versions/2/infer", OWNER) == 200
        assert (world.decisions[-1].arm, world.decisions[-1].version) == ("override", 2)
        for version in ("3", "latest", "01", ""):
            assert status_of(world, f"{MODEL}/versions/{version}/infer", OWNER) == 404
        world.take(canary())
        assert status_of(world, f"{MODEL}/versions/1/infer") == 403
        assert len(world.decisions) == 2


def test_the_owners_header_holds_here_too_unless_the_path_says_otherwise(endpoint: World) -> None:
    wants = OWNER | {"x_windvane_version": "2"}
    assert status_of(endpoint, INFER, {"x_windvane_version": "2"}) == 403
    assert status_of(endpoint, INFER, wants) == 200
    assert (endpoint.decisions[-1].arm, endpoint.decisions[-1].version) == ("override", 2)
    assert status_of(endpoint, f"{MODEL}/versions/2/infer", wants) == 200
    assert status_of(endpoint, f"{MODEL}/versions/1/infer", wants) == 400


@pytest.mark.parametrize("version", ["", "/versions/1", "/versions/2"])
def test_metadata_and_readiness_know_versions(endpoint: World, version: str) -> None:
    assert endpoint.ask(f"{MODEL}{version}", method="GET").json == endpoint.ask(MODEL, method="GET").json
    assert endpoint.ask(f"{MODEL}{version}/ready", method="GET").json == {"ready": True}
