"""Whatever a backtest meets, its terminal shows a sentence."""

from pathlib import Path

import pytest

from windvane.backtest import __main__ as command
from windvane.cluster.errors import Invalid

SUBJECT = "N725MQ"


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (Invalid("Give a later --start."), 1, "Error: Give a later --start.\n"),
        (KeyError(SUBJECT), 1, "Error: This should not have happened: KeyError at backtest/test_command.py:"),
        (KeyboardInterrupt(), 130, "Stopped: no report was written.\n"),
    ],
    ids=["ours", "foreign", "interrupted"],
)
def test_what_ends_a_backtest_is_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    code: int,
    said: str,
) -> None:
    def backtest(_: object) -> None:
        raise raised

    monkeypatch.setenv("WINDVANE_HOME", str(tmp_path))
    monkeypatch.setattr(command, "backtest", backtest)
    assert command.main(["loans", "--out", str(tmp_path / "report")]) == code
    printed = capsys.readouterr()
    assert printed.err.startswith(said)
    assert SUBJECT not in printed.err
    assert not (tmp_path / "report").exists()


def test_a_report_that_cannot_be_written_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WINDVANE_HOME", str(tmp_path))
    monkeypatch.setattr(command, "backtest", lambda _: None)
    assert command.main(["loans", "--out", str(tmp_path / "file" / "report")]) == 1
    assert capsys.readouterr().err.startswith("Error: ")
