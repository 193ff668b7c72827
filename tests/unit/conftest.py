"""Unit tests run without Ray: whoever starts it here is told so."""

import gc

import pytest
import ray

from serve_apps.scorer import LoadedVersion, load_version
from tests.bundles import SPEC, make_bundle


def pytest_collection_finish() -> None:
    """Whatever was imported stays: the collector need not walk it again and again, which took a third of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a unit test started Ray; move it to tests/e2e or test the pure part")

    monkeypatch.setattr(ray, "init", refuse)


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[int, LoadedVersion]:
    """Two real versions of the model `trips`, loaded."""
    root = tmp_path_factory.mktemp("bundles")
    return {number: load_version(number, make_bundle(root, number), SPEC.features) for number in (1, 2)}
