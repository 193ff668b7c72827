"""Unit tests run without Ray: whoever starts it here is told so.

What is heavy is imported where it is used: the process that hands the tests out to others reads this file too.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from serve_apps.scorer import LoadedVersion

# More threads have nothing to do in trees as small as ours, and they wait by spinning.
os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("unhurried", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("unhurried")


def pytest_collection_finish() -> None:
    """Whatever was imported stays: the collector need not walk it again and again, which took a third of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_ray() -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a unit test started Ray; move it to tests/e2e or test the pure part")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray.init", refuse)
        yield


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[int, LoadedVersion]:
    """Two real versions of the model `trips`, loaded."""
    from serve_apps.scorer import load_version
    from tests.bundles import SPEC, make_bundle

    root = tmp_path_factory.mktemp("bundles")
    return {number: load_version(number, make_bundle(root, number), SPEC) for number in (1, 2)}
