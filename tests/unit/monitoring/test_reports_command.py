"""A report that cannot be made is refused with the reason in a sentence."""

from pathlib import Path

import pytest

from windvane.monitoring.reports import main


def test_a_model_that_is_not_there_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WINDVANE_HOME", str(tmp_path))
    assert main(["--model", "nosuch"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert "nosuch" in said
    assert "Traceback" not in said
