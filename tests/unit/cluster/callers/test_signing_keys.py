"""Public keys are read again by and by, never too often, and outlive an issuer that is away for a while."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from windvane.cluster.callers.signing_keys import SigningKeys
from windvane.cluster.errors import Invalid, Unavailable


class Issuer:
    """Publishes a text; counts how often it was asked."""

    def __init__(self, *published: bytes) -> None:
        self.published = list(published)
        self.asked = 0
        self.now = 0.0

    def read(self) -> bytes:
        self.asked += 1
        if not self.published:
            raise Unavailable("the issuer is away")
        return self.published[0] if len(self.published) == 1 else self.published.pop(0)

    def parse(self, document: bytes) -> str:
        if document == b"bad":
            raise Invalid("not a set of keys")
        return document.decode()

    def keys(self) -> SigningKeys[str]:
        return SigningKeys(self.read, self.parse, lambda: self.now, least_seconds=10.0, outlive_seconds=100.0)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_before_they_were_read_there_are_none() -> None:
    with pytest.raises(Unavailable, match="not read yet"):
        _ = Issuer(b"a").keys().keys


def test_they_change_when_the_issuer_changes_them() -> None:
    async def story() -> None:
        keys = Issuer(b"a", b"a", b"b").keys()
        assert await keys.refresh()
        assert (keys.keys, keys.generation) == ("a", 1)
        assert not await keys.refresh()
        assert keys.generation == 1  # the same: what was verified stays verified
        assert await keys.refresh()
        assert (keys.keys, keys.generation) == ("b", 2)

    run(story())


def test_unknown_keys_make_it_look_once_in_ten_seconds_however_many_there_are() -> None:
    async def story() -> None:
        issuer = Issuer(b"a", b"b", b"c")
        keys = issuer.keys()
        await keys.refresh()
        assert [await keys.look_again() for _ in range(50)] == [False] * 50
        assert issuer.asked == 1
        issuer.now = 10.0
        assert await asyncio.gather(*(keys.look_again() for _ in range(50))) == [True] * 50
        assert issuer.asked == 2
        assert not await keys.look_again()

    run(story())


def test_one_who_hangs_up_does_not_end_the_look_of_the_others() -> None:
    async def story() -> None:
        issuer = Issuer(b"a")
        keys = issuer.keys()
        gone, stays = asyncio.ensure_future(keys.look_again()), asyncio.ensure_future(keys.look_again())
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays
        assert (keys.keys, issuer.asked) == ("a", 1)

    run(story())


@pytest.mark.parametrize("trouble", [(), (b"bad",)])
def test_the_last_keys_stay_while_the_issuer_is_away_but_not_for_ever(trouble: tuple[bytes, ...]) -> None:
    async def story() -> None:
        issuer = Issuer(b"a")
        keys = issuer.keys()
        await keys.refresh()
        issuer.published = list(trouble)
        issuer.now = 99.0
        assert not await keys.refresh()
        assert (keys.keys, keys.generation) == ("a", 1)
        issuer.now = 100.0
        assert await keys.refresh()
        assert keys.generation == 2  # so that nothing verified with them counts any more
        with pytest.raises(Unavailable, match="not a set of keys" if trouble else "the issuer is away"):
            _ = keys.keys
        issuer.published = [b"a"]
        assert await keys.refresh()
        assert keys.keys == "a"

    run(story())


def test_it_reads_from_the_start_until_it_is_stopped() -> None:
    async def story() -> None:
        issuer = Issuer(b"a", b"b")
        keys = SigningKeys(issuer.read, issuer.parse, lambda: issuer.now, refresh_seconds=0.0)
        await keys.start()
        assert keys.keys == "a"
        while keys.generation == 1:
            await asyncio.sleep(0)
        await keys.stop()
        assert keys.keys == "b"

    run(story())


def test_an_unforeseen_error_does_not_end_the_reading(caplog: pytest.LogCaptureFixture) -> None:
    """Keys that nobody reads again would be good for ever."""

    async def story() -> None:
        issuer = Issuer(b"a")
        broken = iter((True,))

        def read() -> bytes:
            if next(broken, False):
                raise ZeroDivisionError
            return issuer.read()

        keys = SigningKeys(read, issuer.parse, lambda: issuer.now, refresh_seconds=0.0)
        await keys.start()
        while keys.generation == 0:
            await asyncio.sleep(0)
        await keys.stop()
        assert keys.keys == "a"

    run(story())
    assert "unforeseen" in caplog.text
