"""Every store keeps these promises; run on the one in memory and on SQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from windvane.backtest.memory import MemoryStore
from windvane.cluster.errors import Conflict
from windvane.cluster.sql_store import SqlStore
from windvane.cluster.store import Event, Shelf, Store

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def memory(_: Path) -> Store:
    return MemoryStore()


def sql(folder: Path) -> Store:
    return SqlStore(f"sqlite:///{folder}/deep/windvane.db")


@pytest.fixture(params=[memory, sql])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = request.param(tmp_path)
    yield made
    close: Callable[[], None] = getattr(made, "close", lambda: None)
    close()


def happened(kind: str, model: str = "churn") -> Event:
    return Event(
        NOON, kind, model, 3, "It rained — über Nacht.", NOON, {"auc": 0.7, "n": 12, "by": "night", "none": None}
    )


def test_what_was_put_is_got_with_its_revision(store: Store) -> None:
    assert store.put("rollout", "churn", b"\x00\xff{}", 0) == 1
    saved = store.get("rollout", "churn")
    assert saved is not None
    assert (saved.kind, saved.key, saved.revision, saved.body) == ("rollout", "churn", 1, b"\x00\xff{}")
    assert saved.updated_at.utcoffset() == NOON.utcoffset()


def test_what_was_never_put_is_none(store: Store) -> None:
    store.put("rollout", "churn", b"{}", 0)
    assert store.get("rollout", "other") is None
    assert store.get("split", "churn") is None


def test_writing_twice_from_the_same_revision_conflicts_and_changes_nothing(store: Store) -> None:
    store.put("rollout", "churn", b"one", 0)
    assert store.put("rollout", "churn", b"two", 1) == 2
    with pytest.raises(Conflict, match="rollout 'churn' is at revision 2, not 1: load it again and decide anew"):
        store.put("rollout", "churn", b"three", 1)
    saved = store.get("rollout", "churn")
    assert saved is not None
    assert saved.body == b"two"


def test_making_what_exists_conflicts(store: Store) -> None:
    store.put("rollout", "churn", b"one", 0)
    with pytest.raises(Conflict, match="is at revision 1, not 0"):
        store.put("rollout", "churn", b"two", 0)


def test_changing_what_does_not_exist_conflicts(store: Store) -> None:
    with pytest.raises(Conflict, match="is at revision 0, not 4"):
        store.put("rollout", "churn", b"two", 4)


def test_what_was_removed_is_gone_and_can_be_made_anew(store: Store) -> None:
    for key in ("churn", "other"):
        store.put("model", key, b"one", 0)
    store.remove("model", "churn", 1)
    assert store.get("model", "churn") is None
    assert [saved.key for saved in store.list("model")] == ["other"]
    assert store.put("model", "churn", b"two", 0) == 1


def test_removing_what_somebody_changed_conflicts_and_keeps_it(store: Store) -> None:
    store.put("model", "churn", b"one", 0)
    store.put("model", "churn", b"two", 1)
    with pytest.raises(Conflict, match="model 'churn' is at revision 2, not 1: load it again and decide anew"):
        store.remove("model", "churn", 1)
    with pytest.raises(Conflict, match="model 'other' is at revision 0, not 1"):
        store.remove("model", "other", 1)
    assert [saved.body for saved in store.list("model")] == [b"two"]


def test_list_is_one_kind_by_key_and_a_prefix_is_taken_literally(store: Store) -> None:
    for key in ("b/2", "b/10", "B/1", "b_1", "a", "b%", "é"):
        store.put("request", key, key.encode(), 0)
    store.put("other", "b/3", b"", 0)
    assert [saved.key for saved in store.list("request")] == ["B/1", "a", "b%", "b/10", "b/2", "b_1", "é"]
    assert [saved.key for saved in store.list("request", "b/")] == ["b/10", "b/2"]
    assert [saved.key for saved in store.list("request", "b_")] == ["b_1"]
    assert [saved.key for saved in store.list("request", "b%")] == ["b%"]
    assert store.list("request", "z") == ()


def test_events_keep_every_field_and_are_numbered_from_one(store: Store) -> None:
    assert [store.append(happened("finding")), store.append(happened("phase"))] == [1, 2]
    first, second = store.events()
    assert first == Event(NOON, "finding", "churn", 3, "It rained — über Nacht.", NOON, happened("x").facts, 1)
    assert (second.kind, second.number) == ("phase", 2)


def test_an_event_may_leave_out_what_it_does_not_know(store: Store) -> None:
    store.append(Event(NOON, "paused", "churn", None, "by hand"))
    [event] = store.events()
    assert (event.version, event.event_time, event.facts) == (None, None, {})


def test_events_are_read_on_from_a_number_of_one_model_up_to_a_limit(store: Store) -> None:
    for number in range(6):
        store.append(happened(f"kind{number}", "churn" if number % 2 else "fraud"))
    assert [event.number for event in store.events(after=4)] == [5, 6]
    assert [event.number for event in store.events("churn")] == [2, 4, 6]
    assert [event.number for event in store.events("churn", after=2, limit=1)] == [4]
    assert store.events("nobody") == ()


def test_a_shelf_keeps_typed_records(store: Store) -> None:
    shelf = Shelf(store, "event", Event)
    assert shelf.load("a") == (None, 0)
    revision = shelf.save("a", happened("finding"), 0)
    assert shelf.load("a") == (happened("finding"), revision)
    assert shelf.all() == (happened("finding"),)


def test_of_many_writers_at_once_exactly_one_wins_each_revision(tmp_path: Path) -> None:
    def count_up(store: SqlStore) -> int:
        lost = 0
        for _ in range(10):
            while True:
                saved = store.get("counter", "n")
                value = int(saved.body) if saved else 0
                try:
                    store.put("counter", "n", str(value + 1).encode(), saved.revision if saved else 0)
                    break
                except Conflict:
                    lost += 1
            store.append(happened("counted"))
        return lost

    with ExitStack() as opened:
        stores = [opened.enter_context(closing(SqlStore(f"sqlite:///{tmp_path}/w.db"))) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count_up, stores))
        saved = stores[0].get("counter", "n")
        assert saved is not None
        assert (saved.body, saved.revision) == (b"40", 40)
        assert [event.number for event in stores[0].events()] == list(range(1, 41))
