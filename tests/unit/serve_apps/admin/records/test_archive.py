"""The archive hands out what real bundles hold."""

from pathlib import Path

import pytest

from tests.worlds.bundles import MADE, make_bundle
from tests.worlds.log.decision_log import skip_syncs
from tests.worlds.log.vault import open_vault
from tests.worlds.model_card import CARD as WRITTEN
from windvane.backtest.memory import MemoryRegistry
from windvane.cluster.bundle import CARD, MANIFEST, Bundle
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Act
from windvane.cluster.decision_log.write.trail import TRAIL, Trail
from windvane.cluster.errors import NotFound
from windvane.cluster.model_card import write_card
from windvane.serve_apps.admin.records.archive import Archive

DECISION = "01890a5d-ac96-774b-bcce-b302099a8057"


def test_a_card_is_sealed_with_its_version_and_read_back(tmp_path: Path) -> None:
    registry = MemoryRegistry(root=tmp_path / "registry")
    folder = make_bundle(tmp_path / "bundles", 1)
    registry.register(MADE, folder)
    bundle = Bundle.open(folder)
    (folder / CARD).write_bytes(write_card(WRITTEN))
    (folder / MANIFEST).unlink()
    Bundle.seal(folder, bundle.manifest)
    registry.register(MADE, folder)
    trail = Trail(tmp_path / "log", "control-1")
    archive = Archive(registry, tmp_path / "log", tmp_path / "cache", lambda: open_vault(tmp_path), trail)
    assert archive.card("trips", 2) == WRITTEN
    with pytest.raises(NotFound, match="Version 1 of trips was registered without a card"):
        archive.card("trips", 1)
    with pytest.raises(NotFound, match="has no version 3"):
        archive.card("trips", 3)


def test_who_asks_why_is_on_the_log_before_anything_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_syncs(monkeypatch)
    trail = Trail(tmp_path / "log", "control-1")
    archive = Archive(
        MemoryRegistry(root=tmp_path / "registry"),
        tmp_path / "log",
        tmp_path / "cache",
        lambda: open_vault(tmp_path),
        trail,
    )
    with pytest.raises(NotFound, match="has no decision"):
        archive.explain("trips", DECISION, "ann")
    with pytest.raises(NotFound, match="has no decision"):
        archive.explain("trips", "Jane Doe", "ann")
    act, mistaken = Tail(tmp_path / "log" / TRAIL).read()
    assert isinstance(act, Act)
    assert (act.kind, act.who, act.model, act.facts) == ("read", "ann", "trips", {"decision_id": DECISION})
    assert isinstance(mistaken, Act)
    assert (mistaken.kind, mistaken.facts) == ("read", {})  # what is no decision id may be a person's name
