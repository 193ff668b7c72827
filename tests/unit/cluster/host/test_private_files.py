"""A home is its owner's alone, whatever the umask is and was."""

import os
from pathlib import Path

import pytest

from windvane.cluster.host.private_files import keep_private, make_private, privately


@pytest.fixture(autouse=True)
def umask() -> object:
    """The widest, and the one before again."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


def test_an_old_home_is_taken_from_others_whole_and_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for path in ("windvane.db", "mlflow/1/run/model.ubj", "log/trips/decisions/a.parquet", "keys/signing.key"):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).touch()
    (home / "keys" / "signing.key").chmod(0o600)
    (home / "haproxy").touch()
    (home / "haproxy").chmod(0o755)
    assert make_private(home) == 12
    assert modes(home) == {
        ".": 0o700,
        "windvane.db": 0o600,
        "haproxy": 0o700,
        "keys": 0o700,
        "keys/signing.key": 0o600,
        **dict.fromkeys(("log", "log/trips", "log/trips/decisions", "mlflow", "mlflow/1", "mlflow/1/run"), 0o700),
        **dict.fromkeys(("log/trips/decisions/a.parquet", "mlflow/1/run/model.ubj"), 0o600),
    }
    assert make_private(home) == 0


def test_what_a_link_in_a_home_leads_to_is_nobodys_to_change(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    home = tmp_path / "home"
    home.mkdir(0o700)
    (home / "folder").symlink_to(tmp_path / "elsewhere")
    (home / "file").symlink_to(tmp_path / "elsewhere" / "file")
    (home / "nowhere").symlink_to(tmp_path / "gone")
    assert make_private(home) == 0
    assert modes(tmp_path / "elsewhere") == {".": 0o777, "file": 0o666}


def test_what_is_made_in_a_block_or_from_then_on_is_private(tmp_path: Path) -> None:
    with privately():
        (tmp_path / "in").touch()
    (tmp_path / "after").touch()
    keep_private()
    (tmp_path / "then").mkdir()
    assert {name: modes(tmp_path)[name] for name in ("in", "after", "then")} == {
        "in": 0o600,
        "after": 0o666,
        "then": 0o700,
    }
