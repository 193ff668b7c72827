"""The user who acts is the one the system says."""

import os
import pwd
from pathlib import Path

import pytest

from windvane.cluster.host.unix_user import have_a_home, user_name


def test_a_variable_makes_nobody_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    assert user_name() == pwd.getpwuid(os.geteuid()).pw_name


def test_a_user_without_a_name_is_known_by_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in most containers that run under a number of the platform's choice; it was a KeyError."""
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    assert user_name() == "uid 54321"


@pytest.mark.parametrize(("declared", "home"), [("/srv/wv", "/srv/wv"), ("", "var")])
def test_a_user_without_a_folder_gets_the_home(monkeypatch: pytest.MonkeyPatch, declared: str, home: str) -> None:
    """MLflow asks for it as it is imported: `Could not determine home directory`."""

    def nobody() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", nobody)
    monkeypatch.setenv("HOME", "as it was")
    monkeypatch.setenv("WINDVANE_HOME", declared)
    have_a_home()
    assert os.environ["HOME"] == str(Path(home).absolute())
