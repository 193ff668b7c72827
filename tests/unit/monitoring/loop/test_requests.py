"""At most one retrain request of a model is open, and nobody's change is lost."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from windvane.backtest.memory import MemoryStore
from windvane.cluster.errors import NotFound
from windvane.monitoring.loop.requests import RetrainRequest, Wanted, change, open_request, record_version, requests_of

NOW = datetime(2013, 4, 1, tzinfo=UTC)


def ask(store: MemoryStore, reason: str = "AUC fell", model: str = "delay") -> tuple[RetrainRequest, bool]:
    return open_request(store, model, Wanted("findings", reason, ("auc_drop:late",), NOW))


def test_a_new_request_is_open_and_remembers_why() -> None:
    store = MemoryStore()
    request, new = ask(store)
    assert new
    assert (request.request_id, request.status, request.reason) == ("0001", "open", "AUC fell")
    assert requests_of(store, "delay") == (request,)
    assert [notice.kind for notice in request.untold] == ["retrain_requested"]


def test_a_second_request_gives_the_open_one() -> None:
    store = MemoryStore()
    first, _ = ask(store)
    assert ask(store, "another reason") == (first, False)


def test_a_closed_request_makes_room_for_the_next() -> None:
    store = MemoryStore()
    ask(store)
    change(store, "delay", "0001", lambda request: replace(request, status="failed"))
    second, new = ask(store)
    assert new
    assert second.request_id == "0002"


def test_models_do_not_share_requests_even_when_one_name_begins_the_other() -> None:
    store = MemoryStore()
    ask(store, model="delay")
    _, new = ask(store, model="delay-long")
    assert new
    assert len(requests_of(store, "delay")) == 1


def test_two_openers_at_once_get_the_same_request() -> None:
    class Late(MemoryStore):
        """Another process opens its request between our look and our write."""

        def put(self, kind: str, key: str, body: bytes, expected_revision: int) -> int:
            if not self._documents:
                super().put(kind, key, body.replace(b"AUC fell", b"schedule"), expected_revision)
            return super().put(kind, key, body, expected_revision)

    request, new = ask(Late())
    assert not new
    assert request.reason == "schedule"


def test_a_change_is_applied_to_what_somebody_else_wrote_in_between() -> None:
    class Busy(MemoryStore):
        raced = False

        def put(self, kind: str, key: str, body: bytes, expected_revision: int) -> int:
            if expected_revision == 1 and not self.raced:
                self.raced = True
                record_version(self, "delay", "0001", 7)
            return super().put(kind, key, body, expected_revision)

    store = Busy()
    ask(store)
    changed = change(store, "delay", "0001", lambda request: replace(request, message="hello"))
    assert (changed.version, changed.message) == (7, "hello")


def test_the_version_of_a_request_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotFound, match="no retrain request 0009"):
        record_version(MemoryStore(), "delay", "0009", 1)
