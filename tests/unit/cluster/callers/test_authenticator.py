"""From a header to a caller: keys, tokens, nobody; and how fast each may ask."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.callers.tokens import NOW, Clock, FakeTokens
from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.caller import ANYBODY, Caller, demand_all_models, demand_model, demand_role
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import KeyRing
from windvane.cluster.callers.rate import Limit
from windvane.cluster.errors import Forbidden, TooFast, Unauthorized


@pytest.fixture
def book() -> KeyBook:
    return KeyBook(MemoryStore())


def header(secret: str) -> bytes:
    return b"Bearer " + secret.encode()


def test_a_key_says_who_calls(asked: Authenticator, book: KeyBook) -> None:
    key, secret = book.create(KeyOrder("ann", ("client", "owner"), ("churn",)), "up", NOW)
    asked.take(KeyRing(book.snapshot()))
    assert asked.authenticate(header(secret)) == Caller(
        "ann", frozenset({"client", "owner"}), frozenset({"churn"}), key.key_id
    )


def test_a_revoked_key_is_refused_from_the_moment_the_ring_is_taken(asked: Authenticator, book: KeyBook) -> None:
    key, secret = book.create(KeyOrder("ann", ("client",)), "up", NOW)
    asked.take(KeyRing(book.snapshot()))
    asked.authenticate(header(secret))
    book.revoke(key.key_id, "up", "lost", NOW)
    assert asked.take(KeyRing(book.snapshot()))
    with pytest.raises(Unauthorized, match="may have been revoked"):
        asked.authenticate(header(secret))


def test_an_older_ring_brings_no_revoked_key_back(asked: Authenticator, book: KeyBook) -> None:
    """Two pushes may overtake each other."""
    key, secret = book.create(KeyOrder("ann", ("client",)), "up", NOW)
    older = KeyRing(book.snapshot())
    book.revoke(key.key_id, "up", "lost", NOW)
    assert asked.take(KeyRing(book.snapshot()))
    assert not asked.take(older)
    with pytest.raises(Unauthorized):
        asked.authenticate(header(secret))


def test_a_key_ends_without_a_push(asked: Authenticator, book: KeyBook, clock: Clock) -> None:
    _, secret = book.create(KeyOrder("ann", ("client",), expires_at=NOW + timedelta(hours=1)), "up", NOW)
    asked.take(KeyRing(book.snapshot()))
    asked.authenticate(header(secret))
    clock.now += 3600
    with pytest.raises(Unauthorized, match="expired"):
        asked.authenticate(header(secret))


def test_before_a_ring_was_taken_nobody_is_let_in(asked: Authenticator, book: KeyBook) -> None:
    _, secret = book.create(KeyOrder("ann", ("client",)), "up", NOW)
    with pytest.raises(Unauthorized, match="not known here"):
        asked.authenticate(header(secret))


def test_where_access_is_open_who_sends_nothing_may_decide_and_no_more(clock: Clock) -> None:
    asked = Authenticator(None, ANYBODY, clock, clock)
    caller = asked.authenticate(None)
    assert (caller.roles, caller.key_id) == (frozenset({"client"}), None)
    for role in ("owner", "operator", "compliance", "admin"):
        with pytest.raises(Forbidden):
            demand_role(caller, role)


@pytest.mark.parametrize("sent", [b"", b"Bearer", b"Bearer wrong", b"Basic x"])
def test_where_access_is_open_a_bad_key_is_still_refused(clock: Clock, sent: bytes) -> None:
    """A caller who relies on being somebody is not quietly taken for anybody."""
    with pytest.raises(Unauthorized):
        Authenticator(None, ANYBODY, clock, clock).authenticate(sent)


@given(st.none() | st.binary(max_size=100))
def test_whatever_is_sent_is_refused_while_there_are_no_keys(sent: bytes | None) -> None:
    with pytest.raises(Unauthorized):
        Authenticator().authenticate(sent)


def test_each_key_has_its_own_limit(asked: Authenticator, book: KeyBook, clock: Clock) -> None:
    _, slow = book.create(KeyOrder("ann", ("client",), limit=Limit(1.0, 2)), "up", NOW)
    _, free = book.create(KeyOrder("bob", ("client",)), "up", NOW)
    asked.take(KeyRing(book.snapshot()))
    ann, bob = asked.authenticate(header(slow)), asked.authenticate(header(free))
    for _ in range(100):
        asked.charge(bob)
    asked.debit(bob, 1000)
    asked.charge(ann)
    asked.debit(ann, 1)
    with pytest.raises(TooFast) as refused:
        asked.charge(ann)
    assert refused.value.retry_after_seconds == 1.0
    clock.now += 1
    asked.charge(ann)


def test_a_name_in_a_token_does_not_take_from_a_key_of_that_id(
    asked: Authenticator, book: KeyBook, tokens: FakeTokens
) -> None:
    key, secret = book.create(KeyOrder("ann", ("client",), limit=Limit(1.0, 1)), "up", NOW)
    asked.take(KeyRing(book.snapshot()))
    tokens.limit = Limit(1.0, 1)
    tokens.add(b"a.b.c", key.key_id)
    asked.charge(asked.authenticate(b"Bearer a.b.c"))
    asked.charge(asked.authenticate(header(secret)))
    with pytest.raises(TooFast):
        asked.charge(asked.authenticate(b"Bearer a.b.c"))


def test_who_is_anybody_has_no_limit(clock: Clock, tokens: FakeTokens) -> None:
    tokens.limit = Limit(1.0, 1)
    asked = Authenticator(tokens, ANYBODY, clock, clock)
    for _ in range(10):
        asked.charge(asked.authenticate(None))


def test_two_credentials_are_refused_where_access_is_open_too(clock: Clock, book: KeyBook) -> None:
    _, secret = book.create(KeyOrder("ann", ("client",)), "up", NOW)
    asked = Authenticator(None, ANYBODY, clock, clock)
    asked.take(KeyRing(book.snapshot()))
    assert asked.authenticate(None, secret.encode()).name == "ann"
    for authorization, api_key in ((header(secret), secret.encode()), (b"", secret.encode()), (None, b"")):
        with pytest.raises(Unauthorized):
            asked.authenticate(authorization, api_key)


def test_a_caller_without_roles_may_do_nothing() -> None:
    with pytest.raises(Forbidden, match=r"needs the role client or owner; 'ann' is without a role"):
        demand_role(Caller("ann", frozenset(), None, None), "client", "owner")


def test_a_model_outside_the_scope_is_refused_whether_it_exists_or_not() -> None:
    caller = Caller("ann", frozenset({"client"}), frozenset({"churn"}), "k")
    demand_model(caller, "churn")
    demand_model(replace(caller, models=None), "fraud")
    with pytest.raises(Forbidden, match="'ann' may not use this model"):
        demand_model(caller, "fraud")
    with pytest.raises(Forbidden):
        demand_model(replace(caller, models=frozenset()), "churn")


def test_a_key_for_single_models_has_no_say_in_what_is_about_all() -> None:
    caller = Caller("ann", frozenset({"admin"}), None, "k")
    demand_all_models(caller)
    for models in ("churn",), ():
        with pytest.raises(Forbidden, match="'ann' has to do with single models only"):
            demand_all_models(replace(caller, models=frozenset(models)))
