"""Events in a terminal: what says the same again is one line with how often, so that news is not lost in it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]
REPEATING = frozenset({"finding", "assessment"})  # told window after window while the world stays as it is


@dataclass(frozen=True, slots=True)
class Line:
    """The newest of the events that say the same, how many they are, and when the first of them was."""

    event: Event
    count: int
    since: str

    @property
    def is_news(self) -> bool:
        """Whether who watches is shown it: the first, the second, the fourth, the eighth …"""
        return self.count & (self.count - 1) == 0

    def text(self) -> str:
        """`12:30:01  finding  v3  sentence (12 times since 12:18:01)`."""
        again = f" ({self.count} times since {self.since[11:19]})" if self.count > 1 else ""
        return event_line(self.event) + again


class EventList:
    """Folds findings of one kind until something else happens, and events that are the same word by word."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._lines: list[Line | None] = []
        self._run: dict[tuple[object, ...], int] = {}  # what was said since something else happened: where it stands
        for event in events:
            self.add(event)

    @property
    def lines(self) -> list[Line]:
        """Oldest first, each where its newest event stands."""
        return [line for line in self._lines if line is not None]

    def add(self, event: Event) -> Line:
        """The line that the event is now part of."""
        said = _topic(event)
        place = self._run.pop(said, None)
        before = None if place is None else self._lines[place]
        if place is None or before is None:
            if event["kind"] not in REPEATING:
                self._run.clear()
            line = Line(event, 1, event["at"])
        else:
            self._lines[place] = None
            line = replace(before, event=event, count=before.count + 1)
        self._run[said] = len(self._lines)
        self._lines.append(line)
        return line


def event_line(event: Event) -> str:
    """`12:30:01  promoted  v3  sentence`."""
    version = f"v{event['version']}" if event.get("version") else ""
    moment = f" [{event['event_time'][:10]}]" if event.get("event_time") else ""
    return f"{event['at'][11:19]}{moment}  {event['kind']:<17} {version:<4} {event['detail']}"


def _topic(event: Event) -> tuple[object, ...]:
    """Topic of an event: the kind of a finding or an assessment, else all of its words."""
    if event["kind"] in REPEATING:
        notice = str((event.get("facts") or {}).get("notice", ""))  # ends in drift, performance, loses …
        return event["kind"], event.get("version"), notice.rpartition(":")[2]
    return event["kind"], event.get("version"), event["detail"]
