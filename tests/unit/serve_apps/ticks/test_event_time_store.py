"""Events carry the model's own clock beside the wall's, where the model has one."""

from datetime import UTC, datetime

from windvane.backtest.memory import MemoryStore
from windvane.cluster.store import Event
from windvane.serve_apps.ticks.event_time_store import StampedStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MARCH = datetime(2013, 3, 7, tzinfo=UTC)
CLOCKS = {"flight-delay": MARCH}


def test_an_event_without_its_own_time_gets_the_models_newest() -> None:
    store = StampedStore(MemoryStore(), CLOCKS.get)
    assert store.append(Event(NOON, "phase", "flight-delay", 2, "begins")) == 1
    assert store.append(Event(NOON, "phase", "churn", 2, "begins")) == 2
    own = Event(NOON, "finding", "flight-delay", 2, "drifts", event_time=NOON)
    assert store.append(own) == 3
    assert [event.event_time for event in store.events()] == [MARCH, None, NOON]
    assert [event.number for event in store.events("flight-delay", after=1)] == [3]


def test_everything_else_passes_through() -> None:
    beneath = MemoryStore()
    store = StampedStore(beneath, CLOCKS.get)
    assert store.put("pins", "churn", b"{}", 0) == 1
    assert store.get("pins", "churn") == beneath.get("pins", "churn")
    assert store.list("pins", "ch") == beneath.list("pins")
    assert store.list("pins", "x") == ()
