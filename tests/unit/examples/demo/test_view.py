"""The demo's picture keeps what it last knew, and says each thing once where nobody can be drawn for."""

import io

from rich.console import Console

from windvane.examples.demo.view import View

EVENT = {"number": 1, "at": "2026-03-01T12:30:01+00:00", "kind": "promoted", "version": 3, "detail": "v3 [/took] over"}
STATUS = {"models": [{"split": None, "traffic": None, "rollout": None}]}
REPLAY = {"event_time": "2013-07-02T10:00:00+00:00", "decided": 1200, "failed_requests": 3}


def screen(terminal: bool) -> tuple[View, io.StringIO]:
    out = io.StringIO()
    return View(Console(file=out, force_terminal=terminal, width=120)), out


def test_without_a_terminal_each_stage_and_event_is_a_line() -> None:
    view, out = screen(terminal=False)
    with view:
        view.stage("retraining: [/slow]")
        view.stage("retraining: [/slow]")
        view.note(EVENT)
        view.note({**EVENT, "kind": "heartbeat"})
        view.draw(STATUS, REPLAY, 0.5)
    lines = [line.split("s  ", 1)[1] for line in out.getvalue().splitlines()]
    assert lines == ["== retraining: [/slow]", "12:30:01  promoted          v3   v3 [/took] over"]


def test_a_new_stage_keeps_the_figures_on_the_screen() -> None:
    """The picture went empty whenever the stage changed."""
    view, out = screen(terminal=True)
    with view:
        view.note(EVENT)
        view.draw(STATUS, REPLAY, 0.5)
        out.truncate(0)
        view.stage("months pass [/now]")
        shown = out.getvalue()
    for words in ("months pass [/now]", "1,200 decisions · 3 failed requests", "2013-07-02 10:00", "v3 [/took] over"):
        assert words in shown
