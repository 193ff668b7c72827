"""The demo's command: which one runs and where, that it is cleaned up behind, and what a broken promise comes to."""

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import windvane.examples.demo.__main__ as demo
from windvane.cluster import lifecycle
from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime import addresses
from windvane.configs.settings import Settings


class Stage:
    """Records what ran where, and what was ended."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, Path]] = []
        self.overlays: list[str | None] = []
        self.ended: list[str] = []
        self.broken: list[str] = []
        self.error: BaseException | None = None

    def run(self, settings: Settings, folder: Path, console: Any) -> list[str]:
        assert not set(demo.ELSEWHERE) & set(os.environ)
        self.ran.append((settings.home, folder))
        self.overlays.append(settings.overlay)
        if self.error:
            raise self.error
        return self.broken


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    found = Stage()
    for name in (*demo.ELSEWHERE, "WINDVANE_OVERLAY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("WINDVANE_KEY_FILE", "of-another-windvane")
    monkeypatch.setenv("WINDVANE_HOME", str(tmp_path))
    monkeypatch.setattr(addresses, "dashboard_url", lambda _: None)
    monkeypatch.setattr(lifecycle, "down", lambda settings, _: found.ended.append(settings.home))
    for model in demo.DEMOS:
        monkeypatch.setitem(demo.DEMOS, model, found.run)
    return found


def start(*options: str) -> Result:
    return CliRunner().invoke(demo.main, list(options))


@pytest.mark.parametrize(
    ("options", "folder", "overlay"),
    [
        ((), "demo", "demo"),
        (("--full",), "demo", "demo-full"),
        (("--model", "mortgage"), "demo-mortgage", "demo"),
    ],
)
def test_each_has_a_home_of_its_own_and_is_cleaned_up_behind(
    stage: Stage, tmp_path: Path, options: tuple[str, ...], folder: str, overlay: str
) -> None:
    result = start(*options)
    home = str(tmp_path / folder / "home")
    assert (result.exit_code, stage.ran, stage.overlays) == (0, [(home, tmp_path / folder)], [overlay])
    assert stage.ended == [home]


def test_what_is_asked_to_be_kept_is_left_running_and_how_to_end_it_is_said(stage: Stage) -> None:
    result = start("--model", "mortgage", "--keep")
    assert (result.exit_code, stage.ended) == (0, [])
    assert "windvane down" in result.output


def test_a_promise_that_was_not_kept_is_a_failure(stage: Stage) -> None:
    stage.broken = ["the forged log verifies"]
    result = start("--model", "mortgage")
    assert result.exit_code == 1
    assert "not kept: the forged log verifies" in result.output


def test_an_error_is_a_sentence_and_leaves_nothing_behind(stage: Stage) -> None:
    stage.error = Unavailable("Ray did not start")
    result = start()
    assert result.exit_code == 1
    assert "The demo stopped: Ray did not start" in result.output
    assert len(stage.ended) == 1


def test_what_does_not_go_together_is_refused(stage: Stage) -> None:
    result = start("--model", "mortgage", "--full")
    assert result.exit_code == 2
    assert "retrains nothing" in result.output
    assert start("--model", "churn").exit_code == 2
    assert stage.ran == []


def test_an_interrupted_demo_says_that_it_ends_what_it_started_or_how_to(stage: Stage) -> None:
    stage.error = KeyboardInterrupt()
    result = start()
    assert (result.exit_code, result.output, len(stage.ended)) == (130, "Ending what the demo started\n", 1)
    result = start("--keep")
    assert (result.exit_code, len(stage.ended)) == (130, 1)
    assert result.output.startswith("Left running. End it with: ")


def test_a_fault_of_ours_is_a_sentence(stage: Stage) -> None:
    stage.error = KeyError("N725MQ")
    result = start()
    assert (result.exit_code, len(stage.ended)) == (1, 1)
    assert result.output.startswith("The demo stopped: This should not have happened: KeyError at demo/test_demo.py:")
    assert "N725MQ" not in result.output
