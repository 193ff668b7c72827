"""Unit tests run without Ray: whoever starts it here is told so.

What is heavy is imported where it is used: the process that hands the tests out to others reads this file too.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sqlite3
import sys
import warnings
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from windvane.serve_apps.versions.loaded_version import LoadedVersion

# More threads have nothing to do in trees as small as ours, and they wait by spinning.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests sync thousands of times, which costs nothing in memory. What a sync is for, `simulated_disk` shows.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: the collector finds nothing in it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Examples in docstrings are those of the code: a test module has none, and is searched once."""
    return [found for found in (yield) if type(found) is pytest.Module]


def pytest_collection_finish() -> None:
    """Whatever was imported stays: the collector need not walk it again and again, which took a third of the time."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not later]
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_ray() -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a unit test started Ray; move it to tests/e2e or test the pure part")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray.init", refuse)
        yield


class _Connection(sqlite3.Connection):
    """Warns where it is dropped unclosed, as every connection does since Python 3.13."""

    is_open = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_open = True

    def close(self) -> None:
        super().close()
        self.is_open = False

    def __del__(self) -> None:
        if self.is_open:
            warnings.warn(f"unclosed database in {self!r}", ResourceWarning, stacklevel=2, source=self)


@pytest.fixture(scope="session", autouse=True)
def _databases_are_closed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if sys.version_info < (3, 13):
            connect = partial(sqlite3.connect, factory=_Connection)
            patch.setattr(sqlite3, "connect", connect)
            patch.setattr(sqlite3.dbapi2, "connect", connect)
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
