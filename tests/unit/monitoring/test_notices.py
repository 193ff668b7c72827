"""A notice becomes one event, however often its teller is killed."""

from datetime import UTC, datetime

from windvane.backtest.memory import MemoryStore
from windvane.monitoring.notices import Notice, tell

NOW = datetime(2013, 4, 1, tzinfo=UTC)


def notice(key: str) -> Notice:
    return Notice(key, NOW, "assessment", 3, f"said {key}", NOW, {"n": 5})


def test_notices_become_events_in_order() -> None:
    store = MemoryStore()
    tell(store, "delay", [notice("a"), notice("b")], recovered=False)
    first, second = store.events("delay")
    assert (first.detail, second.detail) == ("said a", "said b")
    assert first.facts == {"n": 5, "notice": "a"}
    assert (first.kind, first.version, first.event_time) == ("assessment", 3, NOW)


def test_a_recovered_teller_leaves_out_what_was_told() -> None:
    store = MemoryStore()
    tell(store, "delay", [notice("a")], recovered=False)
    tell(store, "delay", [notice("a"), notice("b")], recovered=True)
    assert [event.detail for event in store.events("delay")] == ["said a", "said b"]


def test_what_another_model_told_does_not_count() -> None:
    store = MemoryStore()
    tell(store, "other", [notice("a")], recovered=False)
    tell(store, "delay", [notice("a")], recovered=True)
    assert len(store.events("delay")) == 1
