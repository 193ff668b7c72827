"""Tells of decisions that a monitor forgot before their outcome came, once, and again at ten times as many."""

from datetime import datetime

import msgspec

from windvane.cluster.store import Event, Store
from windvane.monitoring.counts.forgotten import forgotten
from windvane.monitoring.counts.snapshot import Snapshot

FORGOTTEN = "forgotten"  # kind in the store; the key is the finding's


class ForgottenWatch:
    """`look` may be killed anywhere; a finding may then be told twice, and never not at all."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: set[str] = set()

    def look(self, seen: Snapshot, now: datetime) -> None:
        """Tell what the newest figures of one model show."""
        found = forgotten(seen)
        if found is None or found.key in self._told:
            return
        if self._store.get(FORGOTTEN, found.key) is None:
            facts: dict[str, str | float | int | None] = {"monitor": FORGOTTEN, "value": found.decisions}
            self._store.append(Event(now, "finding", found.model, None, found.sentence(), facts=facts))
            self._store.put(FORGOTTEN, found.key, msgspec.json.encode(found), 0)
        self._told.add(found.key)
