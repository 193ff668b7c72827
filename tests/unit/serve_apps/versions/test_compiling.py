"""A kept kernel is another one as soon as anything beside it changed."""

import importlib
import sys
from pathlib import Path

import pytest

KERNEL = """
from windvane.serve_apps.versions.compiling import compiled, kept
from {package}.numbers import STEP

@compiled
def step(n):
    return n + STEP

@kept
def walk(n):
    return step(n)
"""


def walk_of(folder: Path, package: str, step: int) -> object:
    """The kernel of a package of that name, imported anew."""
    (folder / package).mkdir(exist_ok=True)
    (folder / package / "numbers.py").write_text(f"STEP = {step}\n")
    (folder / package / "kernel.py").write_text(KERNEL.format(package=package))
    for name in [each for each in sys.modules if each.partition(".")[0] == package]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return importlib.import_module(f"{package}.kernel").walk


def test_a_kernel_is_compiled_anew_after_a_change_of_what_stands_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # the second `numbers` is as long and as old as the first
    kept = [walk_of(tmp_path, "kernel_beside", step) for step in (1, 1, 2)]
    assert [walk(40) for walk in kept] == [41, 41, 42]  # type: ignore[operator]
    assert [walk.stats.cache_hits.total() for walk in kept] == [0, 1, 0]  # type: ignore[attr-defined]
