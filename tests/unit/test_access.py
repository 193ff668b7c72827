"""The owner's token is made once, kept private, and nothing but it opens the door."""

from pathlib import Path

import pytest

from cluster.access import bearer, digest, ensure_secret, ensure_token, is_owner, read_digest
from cluster.errors import Invalid


def test_the_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    token = ensure_token(home)
    assert len(token) == 64
    assert (home / "token").stat().st_mode & 0o777 == 0o600
    assert ensure_token(home) == token
    assert (home / "token").read_text() == token


def test_nothing_is_left_beside_the_token_but_its_digest(tmp_path: Path) -> None:
    token = ensure_token(tmp_path)
    ensure_token(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["token", "token.sha256"]
    assert read_digest(tmp_path) == digest(token)
    assert token not in (tmp_path / "token.sha256").read_text()


def test_a_token_written_by_hand_is_kept_and_its_digest_renewed(tmp_path: Path) -> None:
    ensure_token(tmp_path)
    (tmp_path / "token").write_text("mine\n")
    assert ensure_token(tmp_path) == "mine"
    assert read_digest(tmp_path) == digest("mine")


def test_an_empty_token_file_lets_nobody_in(tmp_path: Path) -> None:
    """A start that died between making the file and writing it left an empty token, which `Bearer ` then matched."""
    (tmp_path / "token").touch()
    with pytest.raises(Invalid, match=r"is empty.*remove it"):
        ensure_token(tmp_path)
    assert not is_owner("Bearer ", digest(""))
    assert bearer(tmp_path / "token") == {}


def test_who_comes_second_gets_the_first_ones_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    (tmp_path / "secret").write_text("first")
    looks = iter((False,))
    monkeypatch.setattr(Path, "exists", lambda _: next(looks))
    assert ensure_secret(file) == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    "header", [None, "", "t", "Bearer", "Bearer ", "Bearer T", "Basic t", "Bearer t t", "Bearer é"]
)
def test_anything_but_the_token_is_refused(header: str | None) -> None:
    assert not is_owner(header, digest("t"))


@pytest.mark.parametrize("header", ["Bearer t", "bearer t", "BEARER  t "])
def test_the_token_is_taken_however_the_scheme_is_written(header: str) -> None:
    assert is_owner(header, digest("t"))


def test_without_a_digest_nobody_is_the_owner(tmp_path: Path) -> None:
    assert read_digest(tmp_path) is None
    (tmp_path / "token.sha256").touch()
    assert read_digest(tmp_path) is None
    assert not is_owner("Bearer t", None)


def test_the_header_shows_the_secret_of_a_file_that_is_there(tmp_path: Path) -> None:
    assert bearer(tmp_path / "none") == {}
    (tmp_path / "token").write_text("t\n")
    assert bearer(tmp_path / "token") == {"authorization": "Bearer t"}
