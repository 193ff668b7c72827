"""What serves is what was stored."""

from pathlib import Path

import pytest

from tests.worlds.bundles import SPEC
from windvane.backtest.memory import MemoryStore
from windvane.cluster.declarations import deployed_models, load_spec, spec_digest
from windvane.cluster.errors import NotFound
from windvane.cluster.sql_store import SqlStore
from windvane.cluster.store import DECLARATION


def test_the_deployed_declaration_comes_from_the_store() -> None:
    store = MemoryStore()
    with pytest.raises(NotFound, match="run `windvane deploy trips`"):
        load_spec(store, "trips")
    store.put(DECLARATION, "trips", SPEC.model_dump_json().encode(), 0)
    assert load_spec(store, "trips") == SPEC


def test_models_deployed_before_are_found_with_the_digest_of_their_declaration(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/windvane.db")
    assert deployed_models(store) == []
    store.put(DECLARATION, "trips", b'{"name":"trips"}', 0)
    store.put("split", "trips", b"{}", 0)
    assert deployed_models(store) == [("trips", spec_digest(b'{"name":"trips"}'))]
