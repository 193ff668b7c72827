"""The demo's live picture: months passing, who answers, what was seen and decided."""

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from windvane.cluster.cli.event_list import event_line
from windvane.cluster.cli.pictures import COLOURS, rollout_lines, split_line, traffic_line

SHOWN = ("finding", "assessment", "retrain_requested", "job_submitted", "job_succeeded", "job_failed", "registered")
SHOWN_ROLLOUT = ("phase", "verdict", "promoted", "rolled_back", "deployed")
EVENTS = 14


class View:
    """Draws in place on a terminal; prints each event once where there is none."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self._stage = "starting"
        self._events: list[Mapping[str, Any]] = []
        self._drawn: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None, float] = (None, None, 0.0)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> "View":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def stage(self, text: str) -> None:
        """Shows what the demo is doing now."""
        if text == self._stage:
            return
        self._stage = text
        if self._live:
            self._live.update(self._page(*self._drawn), refresh=True)
        else:
            self._console.print(f"{self._seconds():5.0f} s  == {text}", highlight=False, markup=False, soft_wrap=True)

    def note(self, event: Mapping[str, Any]) -> None:
        """Something happened."""
        if event["kind"] not in (*SHOWN, *SHOWN_ROLLOUT):
            return
        self._events.append(event)
        if not self._live:
            self._console.print(
                f"{self._seconds():5.0f} s  {event_line(dict(event))}", highlight=False, markup=False, soft_wrap=True
            )

    def draw(self, status: Mapping[str, Any] | None, replay: Mapping[str, Any] | None, share: float) -> None:
        """The whole picture anew."""
        self._drawn = (status, replay, share)
        if self._live:
            self._live.update(self._page(*self._drawn), refresh=True)

    def _page(self, status: Mapping[str, Any] | None, replay: Mapping[str, Any] | None, share: float) -> RenderableType:
        head = Table.grid(padding=(0, 2))
        head.add_row("now", Text(f"{self._seconds():.0f} s · {self._stage}", no_wrap=True, overflow="ellipsis"))
        if replay:
            head.add_row("flights of", Text((replay["event_time"] or "")[:16].replace("T", " "), style="bold"))
            head.add_row("", ProgressBar(total=1.0, completed=share, width=50))
            head.add_row("replayed", f"{replay['decided']:,} decisions · {replay['failed_requests']} failed requests")
        for model in (status or {}).get("models", []):
            head.add_row("traffic", traffic_line(model.get("traffic") or {}))
            head.add_row("split", Text(split_line(model.get("split")), style="bold"))
            for line in rollout_lines(model["rollout"]) if model.get("rollout") else ():
                head.add_row("rollout", Text(line, no_wrap=True, overflow="ellipsis"))
        lines = [
            Text(event_line(dict(each)), COLOURS.get(each["kind"], ""), no_wrap=True, overflow="ellipsis")
            for each in self._events[-EVENTS:]
        ]
        return Group(Panel(head, title="Windvane", title_align="left"), *lines)

    def _seconds(self) -> float:
        return time.monotonic() - self._start
