"""The document of the control API and of one model's endpoint, and what is held against it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.worlds.admin.api import api_of
from tests.worlds.admin.world import AdminWorld
from tests.worlds.bundles import SPEC
from tests.worlds.gateway.conformity import Conformity
from tests.worlds.gateway.world import World, champion, gateway
from windvane.serve_apps.admin.openapi.document import document
from windvane.serve_apps.versions.loaded_version import LoadedVersion


@pytest.fixture
def admin() -> AdminWorld:
    return AdminWorld()


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return document([SPEC], api_of(AdminWorld()).app.openapi())


@pytest.fixture(scope="module")
def conformity(whole: dict[str, Any]) -> Conformity:
    return Conformity(whole)


@pytest.fixture(scope="module")
def endpoint(versions: dict[int, LoadedVersion], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with gateway(versions, champion(warm=(2,)), tmp_path_factory.mktemp("home")) as world:
        yield world
