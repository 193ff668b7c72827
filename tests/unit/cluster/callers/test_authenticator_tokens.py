"""Tokens at the endpoints: checked once, anew when the issuer's keys change, and remembered within bounds."""

import asyncio

import pytest

from tests.worlds.callers.tokens import Clock, FakeTokens
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.tokens import UnknownSigningKey
from windvane.cluster.errors import Unauthorized


def test_a_token_is_checked_once_until_it_ends(asked: Authenticator, tokens: FakeTokens, clock: Clock) -> None:
    tokens.add(b"a.b.c", "ann", 60)
    for _ in range(5):
        assert asked.authenticate(b"Bearer a.b.c").name == "ann"
    assert tokens.checked == 1
    clock.now += 60
    with pytest.raises(Unauthorized, match="over"):
        asked.authenticate(b"Bearer a.b.c")


def test_a_token_is_checked_anew_when_its_issuers_keys_change(asked: Authenticator, tokens: FakeTokens) -> None:
    """An issuer takes a stolen key back; what was signed with it may not live on in our memory."""
    tokens.add(b"a.b.c", "ann")
    asked.authenticate(b"Bearer a.b.c")
    tokens.good.clear()
    tokens.generation += 1
    with pytest.raises(Unauthorized):
        asked.authenticate(b"Bearer a.b.c")


def test_a_refused_token_is_not_remembered(asked: Authenticator, tokens: FakeTokens) -> None:
    for _ in range(3):
        with pytest.raises(Unauthorized):
            asked.authenticate(b"Bearer a.b.c")
    assert tokens.checked == 3


def test_tokens_without_end_do_not_fill_the_memory(tokens: FakeTokens, clock: Clock) -> None:
    asked = Authenticator(tokens, None, clock, clock, most_verified=10)
    for number in range(100):
        tokens.add(b"a.b.%d" % number, "ann")
        asked.authenticate(b"Bearer a.b.%d" % number)
    for number in range(90, 100):
        asked.authenticate(b"Bearer a.b.%d" % number)
    assert tokens.checked == 100
    for number in range(90):
        asked.authenticate(b"Bearer a.b.%d" % number)
    assert tokens.checked == 190


def test_a_token_signed_with_a_key_just_published_is_let_in(asked: Authenticator, tokens: FakeTokens) -> None:
    def published() -> bool:
        tokens.add(b"a.b.c", "ann")
        return True

    tokens.published_since = published
    with pytest.raises(UnknownSigningKey):
        asked.authenticate(b"Bearer a.b.c")
    assert asyncio.run(asked.admit(b"Bearer a.b.c")).name == "ann"
    assert tokens.looked == 1


def test_without_news_the_refusal_stands(asked: Authenticator, tokens: FakeTokens) -> None:
    with pytest.raises(UnknownSigningKey):
        asyncio.run(asked.admit(b"Bearer a.b.c"))
    assert (tokens.looked, tokens.checked) == (1, 1)


def test_nothing_but_an_unknown_signing_key_makes_us_ask_the_issuer(asked: Authenticator, tokens: FakeTokens) -> None:
    for sent in (None, b"", b"Bearer x", b"Basic a.b.c", b"Bearer a.b", b"Bearer a.b.c.d.e"):
        with pytest.raises(Unauthorized):
            asyncio.run(asked.admit(sent))
    assert (tokens.looked, tokens.checked) == (0, 0)


def test_without_an_issuer_no_token_is_taken(clock: Clock) -> None:
    asked = Authenticator(None, None, clock, clock)
    for sent in (b"Bearer a.b.c", b"Bearer x"):
        with pytest.raises(Unauthorized, match="windvane keys create"):
            asyncio.run(asked.admit(sent))


def test_the_issuers_keys_are_looked_after_while_somebody_may_ask(asked: Authenticator, tokens: FakeTokens) -> None:
    async def scenario() -> None:
        await asked.start()
        assert tokens.started == 1
        await asked.stop()
        assert tokens.started == 0
        nobodys = Authenticator()
        await nobodys.start()
        await nobodys.stop()

    asyncio.run(scenario())
