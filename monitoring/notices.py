"""Events that a record still owes the event list: saved with the record first, told once whatever crashes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from windvane.cluster.store import Event, Store

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Notice:
    """An event waiting to be appended; `key` is the same however often it is tried."""

    key: str
    at: datetime
    kind: str
    version: int | None
    detail: str
    event_time: datetime | None = None
    facts: Mapping[str, str | float | int | None] = field(default_factory=dict)


def tell(store: Store, model: str, notices: Sequence[Notice], recovered: bool) -> None:
    """Append the notices as events; when `recovered`, leave out those an earlier, killed attempt has appended."""
    told = _told(store, model) if recovered else frozenset()
    for notice in notices:
        if notice.key not in told:
            facts = {**notice.facts, "notice": notice.key}
            store.append(Event(notice.at, notice.kind, model, notice.version, notice.detail, notice.event_time, facts))


def _told(store: Store, model: str) -> frozenset[str]:
    keys: set[str] = set()
    after = 0
    while page := store.events(model, after, _PAGE):
        keys |= {str(event.facts["notice"]) for event in page if "notice" in event.facts}
        after = page[-1].number
    return frozenset(keys)
