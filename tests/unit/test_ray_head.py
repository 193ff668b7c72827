"""What a head is started with, and that its sockets' paths stay short."""

import tempfile
from pathlib import Path

import pytest

from cluster import haproxy
from cluster.errors import Unavailable
from cluster.grpc_frontend import program
from cluster.ray_head import LONGEST_RUN_PATH, environment, run_folder
from configs.load import load_settings


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_home_too_long_for_sockets_gets_a_short_link(tmp_path: Path, temporary: Path) -> None:
    home = tmp_path / ("long" * 10)
    link = run_folder(home)
    assert link.parent == temporary
    assert link.resolve() == (home / "run").resolve()
    assert run_folder(home) == link
    assert run_folder(home.with_name("other" * 10)) != link


def test_a_short_home_keeps_its_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_folder(Path("var"))
    assert (run, run.is_dir()) == (Path("var/run"), True)
    assert len(str(run)) <= LONGEST_RUN_PATH


@pytest.mark.parametrize("folder", [True, False])
def test_a_link_that_is_not_ours_is_refused(tmp_path: Path, temporary: Path, folder: bool) -> None:
    home = tmp_path / ("long" * 10)
    link = run_folder(home)
    link.unlink()
    if folder:
        link.mkdir()
    else:
        link.symlink_to(tmp_path)
    with pytest.raises(Unavailable, match=r"is not our link.*shorter WINDVANE_HOME"):
        run_folder(home)


def test_what_ray_starts_reads_the_same_settings_and_asks_for_a_token(tmp_path: Path) -> None:
    settings = load_settings({"WINDVANE_HOME": str(tmp_path), "WINDVANE_PORT": "8123", "WINDVANE_OVERLAY": "demo"})
    variables = environment(settings, tmp_path / "run")
    assert load_settings(variables) == settings
    assert variables["RAY_AUTH_MODE"] == "token"
    assert Path(variables["RAY_SERVE_HAPROXY_BINARY_PATH"]) == program(haproxy.config_path(tmp_path / "run").parent)
    assert variables["RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"].startswith(str(tmp_path / "run"))


def test_what_ray_starts_keeps_the_bytecode_that_it_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images often set the variable, and each of a dozen processes compiled every module for itself."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    settings = load_settings({"WINDVANE_HOME": str(tmp_path)})
    assert "PYTHONDONTWRITEBYTECODE" not in environment(settings, tmp_path / "run")
