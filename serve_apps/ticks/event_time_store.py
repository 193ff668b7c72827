"""A store that stamps events with the model's own clock, where the model has one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from windvane.cluster.store import Event, Saved, Store


class StampedStore:
    """Passes everything on; an event without an event time gets the newest one its model has seen."""

    def __init__(self, store: Store, event_time: Callable[[str], datetime | None]) -> None:
        self._store = store
        self._event_time = event_time

    def get(self, kind: str, key: str) -> Saved | None:
        """The document, or None."""
        return self._store.get(kind, key)

    def put(self, kind: str, key: str, body: bytes, expected_revision: int) -> int:
        """Compare-and-set."""
        return self._store.put(kind, key, body, expected_revision)

    def remove(self, kind: str, key: str, expected_revision: int) -> None:
        """Compare and take away."""
        self._store.remove(kind, key, expected_revision)

    def list(self, kind: str, prefix: str = "") -> tuple[Saved, ...]:
        """All documents of a kind."""
        return self._store.list(kind, prefix)

    def append(self, event: Event) -> int:
        """Add the event, stamped."""
        if event.event_time is None:
            event = replace(event, event_time=self._event_time(event.model))
        return self._store.append(event)

    def events(self, model: str | None = None, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        """Events after a number."""
        return self._store.events(model, after, limit)
