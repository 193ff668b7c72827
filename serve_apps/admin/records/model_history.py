"""Shows what is on record of a model; of one that is out of service, or not deployed yet, too."""

from typing import Protocol

from windvane.cluster.declarations import Declarations
from windvane.cluster.model_card import Card, page
from windvane.cluster.registry import Registry
from windvane.cluster.store import Store
from windvane.serve_apps.admin import status
from windvane.serve_apps.admin.records.replies import Retold
from windvane.serve_apps.admin.replies import CardStatus, EventStatus, VersionStatus

MOST_EVENTS = 1_000_000  # of one model that are looked through
ON_CARDS = ("approved", "promoted", "rolled_back", "aborted", "unproven")  # kinds of events


class RecordFinder(Protocol):
    """Finds single decisions and the cards of single versions."""

    def explain(self, model: str, decision_id: str, by: str) -> Retold:
        """Explain that decision of a registered model; raises NotFound."""

    def card(self, model: str, number: int) -> Card:
        """That version's card as it was registered; raises NotFound."""


class ModelHistory:
    """Every question about a model that nothing is known of is NotFound."""

    def __init__(self, store: Store, declarations: Declarations, registry: Registry, records: RecordFinder) -> None:
        self._store = store
        self._declarations = declarations
        self._registry = registry
        self._records = records

    def versions(self, model: str) -> list[VersionStatus]:
        """All registered versions, oldest first."""
        found = self._registry.versions(model)
        if not found:
            self._declarations.spec(model)
        return [status.version_status(each) for each in found]

    def explain(self, model: str, decision_id: str, by: str) -> Retold:
        """One decision told again."""
        if not self._registry.versions(model):
            self._declarations.spec(model)
        return self._records.explain(model, decision_id, by)

    def card(self, model: str, number: int) -> CardStatus:
        """A version's card, and what happened to the version since it was written."""
        version = self._registry.version(model, number)
        card = self._records.card(model, number)
        events = [event for event in self._store.events(model, 0, MOST_EVENTS) if event.version == number]
        since = [f"{event.at:%Y-%m-%d %H:%M} {event.detail}" for event in events if event.kind in ON_CARDS]
        return {"model": model, "version": number, "standing": version.standing, "page": page(card, number, since)}

    def events(self, model: str, after: int, limit: int) -> list[EventStatus]:
        """The model's events after that one; a model that nothing ever happened to is NotFound."""
        found = self._store.events(model, after, limit)
        if not found and not self._store.events(model, 0, 1):
            self._declarations.spec(model)
        return [status.event_status(each) for each in found]
