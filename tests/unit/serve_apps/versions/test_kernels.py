"""Kernels are compiled for the same kinds of arrays that a model's are, so that none is compiled twice."""

from pathlib import Path

from tests.worlds.bundles import SPEC, make_bundle
from windvane.serve_apps.versions.kernels import compile_all
from windvane.serve_apps.versions.loaded_version import load_version
from windvane.serve_apps.versions.treeshap.kernel import contribute
from windvane.serve_apps.versions.treewalk.kernel import walk


def test_a_real_version_finds_every_kernel_that_it_needs(tmp_path: Path) -> None:
    compile_all()
    compiled = [len(kernel.signatures) for kernel in (walk, contribute)]  # type: ignore[union-attr]
    load_version(1, make_bundle(tmp_path, 1), SPEC)
    assert [len(kernel.signatures) for kernel in (walk, contribute)] == compiled  # type: ignore[union-attr]
