"""A worker loads what a replica needs before anybody asks."""

import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from windvane.cluster.runtime.preloading import allow
from windvane.serve_apps.preload import preload


def test_a_worker_that_may_become_a_replica_loads_what_that_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = threading.Event()
    for name in ("gateway", "replica"):  # Ray Serve takes seconds to import
        monkeypatch.setitem(sys.modules, f"serve_apps.{name}", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "windvane.serve_apps.versions.kernels", SimpleNamespace(compile_all=compiled.set))
    variables = {"WINDVANE_HOME": str(tmp_path)}
    preload(variables)
    assert not any(thread.name == "preload" for thread in threading.enumerate())
    (tmp_path / "run").mkdir()
    allow(tmp_path)
    preload(variables)
    assert compiled.wait(10.0)
