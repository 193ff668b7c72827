"""Uses of Ray beyond its promise stand where they are said to stand, and a start without them is refused."""

import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime.ray_head import environment
from windvane.cluster.runtime.ray_source import GUIDE, RAYLET, USES, Use, demand, folder
from windvane.configs.load import load_settings
from windvane.serve_apps.serve_hooks import USES as SERVES

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("use", [*USES, *SERVES], ids=lambda use: f"{use.file}:{use.line} {use.text[:40].strip()}")
def test_every_use_stands_on_its_line_of_the_installed_ray(use: Use) -> None:
    """The line has moved or is gone if this fails after an upgrade: docs/upgrading-ray.md says what to do."""
    if use.file == RAYLET:
        demand([use], folder())
        return
    lines = (folder() / use.file).read_text().splitlines(keepends=True)
    there = "".join(lines[use.line - 1 : use.line + use.text.count("\n")])
    assert use.text in there, f"ray/{use.file}:{use.line} has {there!r}, see {GUIDE}"


def test_every_variable_of_rays_that_a_head_gets_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    variables = environment(load_settings({"WINDVANE_HOME": str(tmp_path)}), tmp_path)
    assert {name for name in variables if name.startswith("RAY_")} <= {use.text.strip('"') for use in USES}


def test_a_ray_without_them_is_refused_with_a_sentence_for_each(tmp_path: Path) -> None:
    kept, gone, lost = Use("a.py", 1, "RAY_KEPT", "nothing"), Use("a.py", 2, "RAY_GONE", "ports clash"), USES[0]
    (tmp_path / "a.py").write_text("RAY_KEPT = 1\n")
    demand([kept], tmp_path)
    with pytest.raises(Unavailable) as told:
        demand([kept, gone, lost, replace(gone, file="empty")], tmp_path)
    sentences = str(told.value).splitlines()
    assert sentences[0] == (
        f"Ray {version('ray')} has no 'RAY_GONE' in ray/a.py, and without it ports clash: "
        "this Ray is not as Windvane knows it, see docs/upgrading-ray.md"
    )
    assert len(sentences) == 3


def test_the_guide_and_the_pin_name_the_version_that_the_lines_are_of() -> None:
    assert "Ray 2.60.0" in (ROOT / GUIDE).read_text()
    assert "ray[serve,train,tune]==2.60.0" in (ROOT / "pyproject.toml").read_text()
