"""Facts of the machine that the tests run on, where they are known."""

import os
import socket
from pathlib import Path

import pytest

from windvane.cluster.host.machine import look
from windvane.configs.load import load_settings


def test_who_listens_is_seen(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = look(load_settings({"WINDVANE_HOME": str(tmp_path / "home")}))
    assert f"(process {os.getpid()}" in found.listeners[port]


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    found = look(load_settings({"WINDVANE_HOME": str(tmp_path / "a" / "home")}))
    assert list(tmp_path.iterdir()) == []
    assert found.home_obstacle == ""
    assert found.memory_free_bytes > 0
    assert found.disk_free_bytes > 0


def test_a_file_in_the_homes_place_is_an_obstacle(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    assert look(load_settings({"WINDVANE_HOME": str(tmp_path / "home")})).home_obstacle.endswith("home is a file")
    assert look(load_settings({"WINDVANE_HOME": str(tmp_path / "home" / "x")})).home_obstacle.endswith("home is a file")


@pytest.mark.parametrize(("host", "here"), [("127.0.0.1", True), ("0.0.0.0", True), ("198.51.100.9", False)])
def test_an_address_is_this_machines_when_it_can_be_bound(tmp_path: Path, host: str, here: bool) -> None:
    assert look(load_settings({"WINDVANE_HOME": str(tmp_path), "WINDVANE_HOST": host})).host_is_here is here


def test_installed_versions_are_those_that_are_pinned(tmp_path: Path) -> None:
    assert look(load_settings({"WINDVANE_HOME": str(tmp_path)})).wrong_versions == ()
