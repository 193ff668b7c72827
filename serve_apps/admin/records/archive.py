"""Finds single decisions and single versions, for whoever must answer for them."""

from collections.abc import Callable
from pathlib import Path

from windvane.cluster.bundle import Bundle
from windvane.cluster.decision_log.read.lookup import DECISION_ID
from windvane.cluster.decision_log.record import Value
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.decision_log.write.trail import Trail
from windvane.cluster.errors import NotFound
from windvane.cluster.model_card import Card, read_card
from windvane.cluster.registry import Registry
from windvane.serve_apps.admin.records.re_explanation import ReExplanation
from windvane.serve_apps.admin.records.replies import Retold


class Archive:
    """Over the registry and the logs of every model; blocking, from any thread."""

    def __init__(self, registry: Registry, logs: Path, cache: Path, vault: Callable[[], Vault], trail: Trail) -> None:
        """`vault` opens keys, so it may raise."""
        self._registry = registry
        self._cache = cache
        self._re_explanation = ReExplanation(registry, logs, cache, vault)
        self._trail = trail

    def explain(self, model: str, decision_id: str, by: str) -> Retold:
        """Explain that decision; raises NotFound."""
        facts: dict[str, Value] = {"decision_id": decision_id} if DECISION_ID.fullmatch(decision_id) else {}
        self._trail.tell("read", by, "asked why a decision is what it is", model, facts)
        return self._re_explanation.explain(model, decision_id)

    def card(self, model: str, number: int) -> Card:
        """The version's card as it was written at its registration; raises NotFound."""
        path = Bundle.open(self._registry.fetch(model, number, self._cache)).card_path
        if path is None:
            raise NotFound(f"Version {number} of {model} was registered without a card; a retrained one has one")
        return read_card(path.read_bytes())
