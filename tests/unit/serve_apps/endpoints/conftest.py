"""One endpoint with a champion and a version that is held warm."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.gateway.world import World, champion, gateway
from windvane.serve_apps.versions.loaded_version import LoadedVersion


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def endpoint(versions: dict[int, LoadedVersion], home: Path) -> Iterator[World]:
    with gateway(versions, champion(warm=(2,)), home) as world:
        yield world
