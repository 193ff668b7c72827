"""A secret is made once, kept private, and never empty."""

from pathlib import Path

import pytest

from windvane.cluster.errors import Invalid
from windvane.cluster.host.secret_files import bearer, ensure_secret


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "new" / "home" / "secret"
    secret = ensure_secret(file)
    assert len(secret) == 64
    assert file.stat().st_mode & 0o777 == 0o600
    assert ensure_secret(file) == file.read_text() == secret
    assert [each.name for each in file.parent.iterdir()] == ["secret"]


def test_a_secret_written_by_hand_is_kept(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine\n")
    assert ensure_secret(tmp_path / "secret") == "mine"


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    """A start that died between making the file and writing it left an empty token, which `Bearer ` then matched."""
    (tmp_path / "token").touch()
    with pytest.raises(Invalid, match=r"is empty.*remove it"):
        ensure_secret(tmp_path / "token")
    assert bearer(tmp_path / "token") == {}


def test_who_comes_second_gets_the_first_ones_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    (tmp_path / "secret").write_text("first")
    looks = iter((False,))
    monkeypatch.setattr(Path, "exists", lambda _: next(looks))
    assert ensure_secret(file) == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


def test_the_header_shows_the_secret_of_a_file_that_is_there(tmp_path: Path) -> None:
    assert bearer(tmp_path / "none") == {}
    (tmp_path / "token").write_text("t\n")
    assert bearer(tmp_path / "token") == {"authorization": "Bearer t"}
