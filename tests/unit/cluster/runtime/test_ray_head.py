"""A head's processes read our settings, ask for a token and keep their bytecode."""

from pathlib import Path

import pytest

from windvane.cluster.runtime import haproxy
from windvane.cluster.runtime.grpc_frontend import program
from windvane.cluster.runtime.ray_head import environment
from windvane.configs.load import load_settings


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
