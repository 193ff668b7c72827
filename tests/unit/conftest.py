"""Unit tests run without Ray: whoever starts it here is told so.

What is heavy is imported where it is used: the process that hands the tests out to others reads this file too.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from windvane.serve_apps.versions.loaded_version import LoadedVersion

# More threads have nothing to do in trees as small as ours, and they wait by spinning.
os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("unhurried", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("unhurried")


class _Later:
    """While tests are collected, pandas and scikit-learn are not there.

    xgboost and pyarrow import them wherever they find them, for types that nothing here has: a third of all imports.
    """

    def find_spec(self, name: str, *_: object) -> None:
        if name in ("pandas", "sklearn"):
            raise ModuleNotFoundError(f"No module named {name!r}: import it in the test that needs it", name=name)


later = _Later()
sys.meta_path.insert(0, later)


def pytest_collection_finish() -> None:
    """Whatever was imported stays: the collector need not walk it again and again, which took a third of the time."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not later]
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
    from tests.worlds.bundles import SPEC, make_bundle
    from windvane.serve_apps.versions.loaded_version import load_version

    root = tmp_path_factory.mktemp("bundles")
    return {number: load_version(number, make_bundle(root, number), SPEC) for number in (1, 2)}


@pytest.fixture
def redacted_logs() -> Iterator[None]:
    """Logs as every process of a Windvane writes them: without what foreign exceptions say."""
    from windvane.cluster.faults.log_redaction import redact_logs

    made = logging.getLogRecordFactory()
    redact_logs()
    yield
    logging.setLogRecordFactory(made)
