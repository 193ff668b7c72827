"""A replica hears of keys from the Switchboard, from the store while that is away, and never unlearns what it knows."""

import asyncio
import logging
from datetime import UTC, datetime

import pytest

from tests.worlds.gateway.world import settled
from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import KeySnapshot
from windvane.cluster.errors import Invalid, Unavailable
from windvane.serve_apps.sync.key_follower import KeyFollower

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeKeyFeed:
    """Tells or raises what `news` holds, one a call; then it is silent."""

    def __init__(self, *news: KeySnapshot | Exception | None) -> None:
        self.news = list(news)
        self.known: list[int] = []
        self.replicas = 1

    async def keys(self, known_revision: int) -> tuple[KeySnapshot | None, int]:
        self.known.append(known_revision)
        await asyncio.sleep(0)
        if not self.news:
            await asyncio.get_running_loop().create_future()
        told = self.news.pop(0)
        if isinstance(told, Exception):
            raise told
        return told, self.replicas


class World:
    """A book of keys, and a replica that follows it."""

    def __init__(self, *news: KeySnapshot | Exception | None, patience_seconds: float = 60.0) -> None:
        self.book = KeyBook(MemoryStore())
        self.feed = FakeKeyFeed(*news)
        self.authenticator = Authenticator()
        self.reads = 0
        self.trouble: Exception | None = None
        self.follower = KeyFollower(self.feed, self.read, self.authenticator, patience_seconds, 0.0)

    def read(self) -> KeySnapshot:
        self.reads += 1
        if self.trouble is not None:
            raise self.trouble
        return self.book.snapshot()

    def add(self, name: str) -> KeySnapshot:
        self.book.create(KeyOrder(name, ("client",)), "up", NOW)
        return self.book.snapshot()

    async def knows(self, revision: int) -> None:
        await settled(lambda: self.authenticator.ring.revision == revision)


def test_the_stores_keys_are_known_before_anybody_asks() -> None:
    async def scenario() -> None:
        world = World()
        world.add("ann")
        await world.follower.start()
        assert len(world.authenticator.ring) == 1
        await world.follower.stop()

    asyncio.run(scenario())


def test_a_replica_that_cannot_know_any_keys_does_not_start() -> None:
    world = World()
    world.trouble = Unavailable("the store is away")
    with pytest.raises(Unavailable, match="the store is away"):
        asyncio.run(world.follower.start())


def test_what_the_switchboard_tells_is_taken() -> None:
    async def scenario() -> None:
        world = World(None)
        world.feed.replicas = 3
        world.feed.news.append(world.add("ann"))
        world.feed.news.append(world.add("bob"))
        await world.follower.start()
        await world.knows(2)
        await settled(lambda: len(world.feed.known) == 4)
        assert world.feed.known == [2, 2, 2, 2]  # the store had both before anything was told
        assert world.authenticator.rates.replicas == 3
        assert world.reads == 1
        await world.follower.stop()

    asyncio.run(scenario())


def test_an_older_snapshot_is_not_taken() -> None:
    async def scenario() -> None:
        world = World()
        older = world.add("ann")
        world.add("bob")
        world.feed.news.append(older)
        await world.follower.start()
        await settled(lambda: len(world.feed.known) == 2)
        assert world.authenticator.ring.revision == 2
        await world.follower.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("gone", [Unavailable("gone"), Invalid("This is no snapshot of keys"), RuntimeError("odd")])
def test_without_the_switchboard_the_store_is_asked_and_then_the_switchboard_again(gone: Exception) -> None:
    async def scenario() -> None:
        world = World(gone, gone)
        await world.follower.start()
        world.feed.news.append(world.add("ann"))
        await world.knows(1)
        await settled(lambda: len(world.feed.known) >= 3)
        await world.follower.stop()

    asyncio.run(scenario())


def test_a_switchboard_that_is_silent_is_as_good_as_away() -> None:
    """Calls to an actor that Ray starts again wait for it, and a revoked key would open until then."""

    async def scenario() -> None:
        world = World(patience_seconds=0.0)
        await world.follower.start()
        world.add("ann")
        await world.knows(1)
        await world.follower.stop()

    asyncio.run(scenario())


def test_while_nobody_tells_of_keys_the_last_ones_stay_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = World(*(Unavailable("no Switchboard") for _ in range(5)))
        world.add("ann")
        await world.follower.start()
        world.trouble = Unavailable("no store")
        await settled(lambda: len(world.feed.known) >= 5)
        assert len(world.authenticator.ring) == 1
        await world.follower.stop()

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.messages == ["Keys: no Switchboard; no store; the last keys stay"]


def test_an_unforeseen_error_of_the_store_does_not_end_the_following(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = World(Unavailable("gone"))
        await world.follower.start()
        world.trouble = RuntimeError("nobody foresaw this")
        await settled(lambda: world.reads == 2)
        world.trouble = None
        world.feed.news.append(world.add("ann"))
        await world.knows(1)
        await world.follower.stop()

    asyncio.run(scenario())
    assert "nobody foresaw this" in caplog.text


def test_stopping_what_was_never_started_is_no_error() -> None:
    asyncio.run(World().follower.stop())
