"""What is up after `up` and ended by `down`, decided from settings and records alone."""

from pathlib import Path

import pytest

from cluster import lifecycle
from cluster.errors import Unavailable
from cluster.lifecycle import down
from configs.load import load_settings
from configs.schema import Settings


def settings_of(home: Path, **variables: str) -> Settings:
    return load_settings({"WINDVANE_HOME": str(home), **variables})


def test_down_without_anything_running_says_so(tmp_path: Path) -> None:
    assert down(settings_of(tmp_path), lambda _: None) == "Nothing was running."


def test_waiting_in_vain_names_the_logs_of_this_home(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"Waited -1 s for godot; look at the logs under {tmp_path}/run/ray"):
        lifecycle._wait(lambda: False, "godot", settings_of(tmp_path), lambda _: None, -1.0)


def test_waiting_ends_as_soon_as_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "POLL_SECONDS", 0.0)
    answers, said = iter((False, False, True)), list[str]()
    lifecycle._wait(lambda: next(answers), "control", settings_of(tmp_path), said.append)
    assert said == ["waiting for control"] * 2
