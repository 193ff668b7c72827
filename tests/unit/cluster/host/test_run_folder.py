"""Sockets lie where they can be bound and HAProxy can read it, and stay there."""

import tempfile
from pathlib import Path

import pytest

from windvane.cluster.errors import Unavailable
from windvane.cluster.host import run_folder as module
from windvane.cluster.host.run_folder import LONGEST, mend, remove_link, run_folder, shortest, suits, temporary_of

LONG = "long" * 10


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for links, which counts as short."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setattr(module, "temporary", lambda: (folder,))
    monkeypatch.setattr(module, "LONGEST", len(str(folder)) + LONGEST - len("/tmp"))
    return folder


def test_a_home_too_long_for_sockets_gets_a_short_link(tmp_path: Path, temporary: Path) -> None:
    home = tmp_path / LONG
    link = run_folder(home)
    assert link.parent == temporary
    assert link.resolve() == (home / "run").resolve()
    assert run_folder(home) == link
    assert run_folder(home.with_name("other" * 10)) != link


def test_a_short_home_keeps_its_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_folder(Path("var"))
    assert (run, run.is_dir()) == (Path("var/run"), True)


@pytest.mark.parametrize("home", ["/my models", "/a'b", '/a"b', "/a#b", "/a$b", "/a\\b", "/müll", "/a\nb", "/a%b"])
def test_what_haproxy_cannot_read_lies_behind_a_link(home: str) -> None:
    assert not suits(Path(home) / "run")
    assert shortest(Path(home), [Path("/tmp")]) not in (None, Path(home) / "run")


def test_a_long_tmpdir_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its link was longer than a socket's path may be: an OSError of Ray's, minutes later."""
    deep = tmp_path / ("t" * 70)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    found = shortest(tmp_path / LONG)
    assert found is not None
    assert found.parent == Path("/tmp")
    assert len(str(found)) <= LONGEST


def test_rays_own_sockets_find_room_below_tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its dashboard ended with `AF_UNIX path too long`, and everybody waited for it."""
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert temporary_of(tmp_path) == Path("/tmp")
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "t" * 65)
    assert temporary_of(tmp_path) == temporary_of(tmp_path) == tmp_path / "t"
    assert (tmp_path / "t").is_dir()


def test_where_no_link_can_be_made_it_is_said_how_long_a_home_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "temporary", lambda: (tmp_path / "nowhere",))
    with pytest.raises(Unavailable, match=r"choose a WINDVANE_HOME of at most 20 letters"):
        run_folder(tmp_path / LONG)
    assert not (tmp_path / LONG).exists()


@pytest.mark.parametrize("folder", [True, False])
def test_a_link_that_is_not_ours_is_refused(tmp_path: Path, temporary: Path, folder: bool) -> None:
    home = tmp_path / LONG
    link = run_folder(home)
    link.unlink()
    if folder:
        link.mkdir()
        (link / "letters").touch()
    else:
        link.symlink_to(tmp_path)
    with pytest.raises(Unavailable, match=r"is not our link.*shorter WINDVANE_HOME"):
        run_folder(home)


@pytest.mark.parametrize("replaced", [True, False])
def test_a_link_that_was_taken_away_is_put_back(tmp_path: Path, temporary: Path, replaced: bool) -> None:
    """Without it no worker found Ray, every command hung for three minutes, and Ray made a real folder in its place."""
    home = tmp_path / LONG
    link = run_folder(home)
    link.unlink()
    if replaced:
        (link / "ray" / "session_latest").mkdir(parents=True)
    mend(home, link)
    assert link.resolve() == (home / "run").resolve()


def test_what_needs_no_link_and_what_another_holds_is_left_alone(tmp_path: Path, temporary: Path) -> None:
    home = tmp_path / LONG
    link = run_folder(home)
    link.unlink()
    mend(home, home / "run")
    assert not link.exists()
    link.touch()
    mend(home, link)
    assert link.is_file()


def test_nothing_is_left_in_tmp(tmp_path: Path, temporary: Path) -> None:
    home = tmp_path / LONG
    run_folder(home)
    remove_link(home)
    remove_link(home)
    assert list(temporary.iterdir()) == []
    assert (home / "run").is_dir()
