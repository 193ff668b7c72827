"""A process finds what a killed one had made, and makes sure of it.

Nothing changes a file of the log but `disk`.
"""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worlds.log.simulated_disk import FOLDER, SimulatedDisk
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.vault.key_file import made_once


class Killed(BaseException):
    """Not an Exception: nothing in the code under test may catch it."""


def trees_after(make: Callable[[Path], object], home: Path, killed_at: int) -> tuple[int, list[dict[str, bytes]]]:
    """Number of effects it takes, and what a power cut leaves of what was made again after a kill."""
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        simulated = SimulatedDisk(home, patch)
        simulated.fails = lambda place, _: Killed() if place >= killed_at else None
        try:
            make(home)
        except Killed:
            simulated.fails = lambda *_: None
            disk.durable_folders.clear()  # it is another process
            make(home)
        return simulated.effects, list(simulated.stop().after_power_cut())


def test_folders(tmp_path: Path) -> None:
    def make(home: Path) -> None:
        disk.make_folder(home / "a" / "b" / "c")

    effects, _ = trees_after(make, tmp_path / "whole", 1000)
    assert effects == 6
    for at in range(effects):
        _, trees = trees_after(make, tmp_path / str(at), at)
        assert trees == [{"a": FOLDER, "a/b": FOLDER, "a/b/c": FOLDER}] * len(trees), f"killed before effect {at}"


def test_secret_keys(tmp_path: Path) -> None:
    made: list[bytes] = []

    def make(home: Path) -> None:
        made.append(made_once(home / "keys" / "master.key", lambda: b"secret"))

    effects, _ = trees_after(make, tmp_path / "whole", 1000)
    assert effects == 8
    for at in range(effects):
        _, trees = trees_after(make, tmp_path / str(at), at)
        assert {tree["keys/master.key"] for tree in trees} == {b"secret"}, f"killed before effect {at}"
    assert set(made) == {b"secret"}


def test_a_folder_is_synced_once_by_a_process_and_again_when_it_was_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(disk, "sync_folder", synced.append)
    disk.make_folder(tmp_path / "a")
    disk.make_folder(tmp_path / "a")
    assert synced.count(tmp_path) == 1
    (tmp_path / "a").rmdir()
    disk.make_folder(tmp_path / "a")
    assert synced.count(tmp_path) == 2


CHANGES = {"write_bytes", "write_text", "unlink", "mkdir", "touch", "rmdir", "hardlink_to", "symlink_to", "truncate"}
OF_OS = {"write", "pwrite", "fsync", "fdatasync", "ftruncate", "rename", "replace", "link", "remove", "unlink", "mkdir"}


@pytest.mark.parametrize("path", sorted(Path(disk.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_nothing_else_changes_a_file(path: Path) -> None:
    if path.name == "disk.py":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            of_os = isinstance(node.value, ast.Name) and node.value.id in ("os", "shutil")
            assert not (of_os and node.attr in OF_OS), f"line {node.lineno}: os.{node.attr} past disk.py"
            assert node.attr not in CHANGES, f"line {node.lineno}: {node.attr} past disk.py"
            assert node.attr not in ("O_CREAT", "O_TRUNC"), f"line {node.lineno}: disk.open_file makes files"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            mode = node.args[1] if len(node.args) > 1 else None
            assert isinstance(mode, ast.Constant), f"line {node.lineno}: open without a mode"
            assert mode.value in ("r", "rb"), f"line {node.lineno}: open(…, {mode.value!r}) past disk.py"
