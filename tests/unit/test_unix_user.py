"""Who acts is who the system says."""

import os
import pwd

import pytest

from cluster.unix_user import user_name


def test_a_variable_makes_nobody_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    assert user_name() == pwd.getpwuid(os.geteuid()).pw_name


def test_a_user_without_a_name_is_known_by_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in most containers that run under a number of the platform's choice; it was a KeyError."""
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    assert user_name() == "uid 54321"
