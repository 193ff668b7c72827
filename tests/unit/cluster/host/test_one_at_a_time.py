"""Two `windvane up` at once are one after the other."""

from pathlib import Path

import pytest

from windvane.cluster.errors import Unavailable
from windvane.cluster.host import one_at_a_time as module
from windvane.cluster.host.one_at_a_time import one_at_a_time


def silent(_: str) -> None:
    pass


def test_who_comes_second_is_told_and_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one said `exit -15; the last lines of …:` and nothing."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    said: list[str] = []
    first = one_at_a_time(tmp_path, silent)
    first.__enter__()

    def finish(_: str) -> None:
        first.__exit__(None, None, None)

    def progress(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            first.__exit__(None, None, None)

    with one_at_a_time(tmp_path, progress):
        assert said == ["waiting for another `windvane up` or `down` of this home"] * 3


def test_who_waits_too_long_is_told_for_what(tmp_path: Path) -> None:
    with (
        one_at_a_time(tmp_path, silent),
        pytest.raises(Unavailable, match=r"Another `windvane up` or `down` of .* has been at work"),
        one_at_a_time(tmp_path, silent, patience_seconds=-1.0),
    ):
        pass


def test_a_home_that_was_made_for_nothing_is_gone_again(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), one_at_a_time(tmp_path / "new", silent):
        raise RuntimeError("the ports are taken")
    assert not (tmp_path / "new").exists()


def test_a_home_with_something_in_it_stays(tmp_path: Path) -> None:
    with one_at_a_time(tmp_path / "new", silent):
        (tmp_path / "new" / "key").touch()
    assert (tmp_path / "new" / "key").exists()


def test_who_waited_for_a_home_that_was_removed_meanwhile_makes_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    home = tmp_path / "new"
    first = one_at_a_time(home, silent)
    first.__enter__()

    def finish(_: str) -> None:
        first.__exit__(None, None, None)

    with one_at_a_time(home, finish):
        assert home.is_dir()
        with pytest.raises(Unavailable), one_at_a_time(home, silent, patience_seconds=-1.0):
            pass
