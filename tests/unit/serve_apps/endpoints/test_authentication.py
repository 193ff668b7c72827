"""One model's authentication: known callers within their scope and their limit, the others on record."""

import asyncio
from datetime import UTC, datetime

import pytest

from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.caller import ANYBODY, Caller
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import KeyRing
from windvane.cluster.callers.rate import Limit
from windvane.cluster.errors import Forbidden, TooFast, Unauthorized
from windvane.serve_apps.endpoints.authentication import Authentication
from windvane.serve_apps.endpoints.refusal_log import RefusalLog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class World:
    def __init__(self, anybody: Caller | None = None) -> None:
        self.book = KeyBook(MemoryStore())
        self.now = 0.0
        self.said: list[str] = []
        self.authenticator = Authenticator(None, anybody, ticks=lambda: self.now)
        self.authentication = Authentication("trips", self.authenticator, RefusalLog(self.said.append, lambda: 0.0))

    def key(self, models: tuple[str, ...] | None = None, limit: Limit | None = None) -> tuple[bytes, bytes]:
        _, secret = self.book.create(KeyOrder("ann", ("client",), models, None, limit), "up", NOW)
        self.authenticator.take(KeyRing(self.book.snapshot()))
        return b"x-api-key", secret.encode()

    def admit(self, *headers: tuple[bytes, bytes]) -> Caller:
        caller = asyncio.run(self.authentication.admit(headers))
        self.authentication.demand(caller)
        return caller


@pytest.fixture
def world() -> World:
    return World()


def test_a_key_for_this_model_or_for_all_is_let_in(world: World) -> None:
    for models in ("trips", "churn"), None:
        assert world.admit((b"accept", b"*/*"), world.key(models)).name == "ann"


def test_a_key_for_another_model_is_refused(world: World) -> None:
    with pytest.raises(Forbidden, match="'ann' may not use this model"):
        world.admit(world.key(("churn",)))


def test_without_a_key_nobody_is_let_in_but_where_access_is_open(world: World) -> None:
    with pytest.raises(Unauthorized, match="Send your key"):
        world.admit()
    assert World(ANYBODY).admit() is ANYBODY


def test_a_header_sent_twice_is_refused(world: World) -> None:
    key = world.key()
    with pytest.raises(Unauthorized, match="once"):
        world.admit(key, key)


def test_a_request_counts_its_rows_once_they_are_known(world: World) -> None:
    key = world.key(limit=Limit(1.0, 3))
    caller = world.admit(key)
    world.authentication.debit(caller, 1)
    world.authentication.debit(world.admit(key), 10)
    with pytest.raises(TooFast) as refused:
        world.admit(key)
    assert refused.value.retry_after_seconds == 9.0  # eleven were taken, three were there, one has to be
    world.now += 9.0
    world.admit(key)


def test_a_refusal_is_on_record(world: World) -> None:
    caller = world.admit(world.key())
    world.authentication.refused(Forbidden("no"), "POST /decide", caller)
    world.authentication.refused(Unauthorized("no key"), "POST /decide", None)
    assert world.said == [
        f"403 for 'ann' ({caller.key_id}) at 'POST /decide': no",
        "401 for nobody known at 'POST /decide': no key",
    ]
