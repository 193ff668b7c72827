"""The declaration that serves is the stored one, parsed when it changes."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.worlds.bundles import SPEC
from windvane.backtest.memory import MemoryStore
from windvane.cluster.declarations import Declarations, deployed_models, load_spec, spec_digest
from windvane.cluster.errors import NotFound, Unavailable
from windvane.cluster.sql_store import SqlStore
from windvane.cluster.store import DECLARATION
from windvane.configs.schema import ModelSpec


def test_the_deployed_declaration_comes_from_the_store() -> None:
    store = MemoryStore()
    with pytest.raises(NotFound, match="run `windvane deploy trips`"):
        load_spec(store, "trips")
    store.put(DECLARATION, "trips", SPEC.model_dump_json().encode(), 0)
    assert load_spec(store, "trips") == SPEC


def test_models_deployed_before_are_found_with_the_digest_of_their_declaration(tmp_path: Path) -> None:
    with closing(SqlStore(f"sqlite:///{tmp_path}/windvane.db")) as store:
        assert deployed_models(store) == []
        store.put(DECLARATION, "trips", b'{"name":"trips"}', 0)
        store.put("split", "trips", b"{}", 0)
        assert deployed_models(store) == [("trips", spec_digest(b'{"name":"trips"}'))]


class Parsing:
    """Declarations of a store in memory that count what they parse."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.parsed: list[str] = []
        self.declarations = Declarations(self.store, self._parse)

    def deploy(self, name: str, owner: str = "ops@example.org") -> ModelSpec:
        spec = SPEC.model_copy(update={"name": name, "owner": owner})
        saved = self.store.get(DECLARATION, name)
        self.store.put(DECLARATION, name, spec.model_dump_json().encode(), saved.revision if saved else 0)
        return spec

    def undeploy(self, name: str) -> None:
        saved = self.store.get(DECLARATION, name)
        assert saved is not None
        self.store.remove(DECLARATION, name, saved.revision)

    def newly_parsed(self) -> list[str]:
        found, self.parsed = self.parsed, []
        return found

    def _parse(self, body: bytes) -> ModelSpec:
        spec = ModelSpec.model_validate_json(body)
        self.parsed.append(spec.name)
        return spec


def test_a_declaration_is_parsed_when_it_changes_and_not_at_every_look() -> None:
    world = Parsing()
    trips, churn = world.deploy("trips"), world.deploy("churn")
    assert [world.declarations.all() for _ in range(100)] == [(churn, trips)] * 100
    assert world.declarations.spec("trips") == world.declarations.find("trips") == trips
    assert world.newly_parsed() == ["churn", "trips"]
    changed = world.deploy("trips", owner="others")
    assert world.declarations.spec("trips") == changed
    assert world.declarations.all() == world.declarations.all() == (churn, changed)
    assert set(world.newly_parsed()) == {"trips"}


def test_a_model_that_comes_back_with_another_declaration_serves_that_one() -> None:
    """Its revision is 1 both times."""
    world = Parsing()
    first = world.deploy("trips")
    assert world.declarations.all() == (first,)
    world.undeploy("trips")
    second = world.deploy("trips", owner="others")
    assert world.declarations.all() == (second,)
    assert world.declarations.spec("trips") == second


def test_who_asks_for_a_deployed_model_elsewhere_is_told_to_send_it_again() -> None:
    world = Parsing()
    world.declarations.demand_gone("trips")
    world.deploy("trips")
    with pytest.raises(Unavailable, match=r"trips is deployed and this request did not reach it.* Send it again"):
        world.declarations.demand_gone("trips")


def test_what_is_not_deployed_any_more_is_forgotten() -> None:
    world = Parsing()
    spec = world.deploy("trips")
    assert world.declarations.all() == (spec,)
    world.undeploy("trips")
    assert (world.declarations.all(), world.declarations.find("trips")) == ((), None)
    with pytest.raises(NotFound, match="No model 'trips' is deployed; deployed are: none"):
        world.declarations.spec("trips")
    world.newly_parsed()
    world.deploy("trips")
    assert world.declarations.all() == (spec,)
    assert world.newly_parsed() == ["trips"]
