"""A replica goes by the store's keys and by what it is told, and what is no snapshot changes nothing."""

import asyncio
from datetime import UTC, datetime

import pytest

from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import encode_snapshot
from windvane.cluster.errors import Invalid
from windvane.serve_apps.sync.key_subscriber import KeySubscriber

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class World:
    """A book of keys, and a replica that follows it."""

    def __init__(self) -> None:
        self.book, self.authenticator = KeyBook(MemoryStore()), Authenticator()
        self.subscriber = KeySubscriber(self.book.snapshot, self.authenticator)

    def add(self, name: str) -> str:
        """The snapshot that travels."""
        self.book.create(KeyOrder(name, ("client",)), "up", NOW)
        return encode_snapshot(self.book.snapshot())


def test_a_reload_takes_what_the_store_has() -> None:
    world = World()
    world.add("ann")
    asyncio.run(world.subscriber.reload())
    assert len(world.authenticator.ring) == 1
    ring = world.authenticator.ring
    asyncio.run(world.subscriber.reload())
    assert world.authenticator.ring is ring, "the same keys are not made ready anew"


def test_a_revoked_key_does_not_come_back_with_an_older_post() -> None:
    world = World()
    before = world.add("ann")
    [key] = world.book.all()
    world.book.revoke(key.key_id, "ada", "lost", NOW)
    asyncio.run(world.subscriber.take((encode_snapshot(world.book.snapshot()),)))
    asyncio.run(world.subscriber.take((before,)))
    assert len(world.authenticator.ring) == 0


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"revision": 9, "keys": [{}]}'])
def test_what_is_no_snapshot_changes_nothing(text: str) -> None:
    world = World()
    asyncio.run(world.subscriber.take((world.add("ann"),)))
    with pytest.raises(Invalid, match="no snapshot"):
        asyncio.run(world.subscriber.take((text,)))
    assert len(world.authenticator.ring) == 1
