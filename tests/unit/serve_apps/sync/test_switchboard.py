import asyncio

import pytest

from tests.worlds.callers.keys import MADE
from tests.worlds.gateway.world import canary, champion
from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import decode_snapshot, encode_snapshot
from windvane.cluster.errors import Conflict, Invalid
from windvane.cluster.store import Shelf
from windvane.serve_apps.sync.switchboard import FORGET_SECONDS, ReplicaReport, Switchboard, decode_split, encode_split
from windvane.serve_apps.traffic.router import SPLIT, Arm, Split


class Clock:
    """Unix seconds by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock | None = None, *saved: Split, poll_seconds: float = 60.0) -> Switchboard:
    store = MemoryStore()
    for split in saved:
        Shelf(store, SPLIT, Split).save(split.model, split, 0)
    return Switchboard(store, clock or Clock(), poll_seconds)


def test_splits_travel_as_json_unchanged() -> None:
    split = canary(shadows=(2,), warm=(3,), phase="step", reason="because")
    assert decode_split(encode_split(split)) == split


@pytest.mark.parametrize("text", ["", "{}", "[]", encode_split(Split("m", 1, "s", (Arm("champion", 1, 0.0),)))])
def test_what_is_no_split_or_routes_nowhere_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="This is no split"):
        decode_split(text)


def test_whoever_waits_gets_a_published_split_at_once() -> None:
    async def scenario() -> None:
        switchboard = make()
        waits = [asyncio.ensure_future(switchboard.wait("trips", 0, replica, 0, ())) for replica in "ab"]
        await asyncio.sleep(0)
        assert await switchboard.publish(encode_split(champion())) == 1
        assert [decode_split(str(found)) for found in await asyncio.gather(*waits)] == [champion()] * 2
        assert await switchboard.wait("trips", 0, "late", 0, ()) == encode_split(champion())

    asyncio.run(scenario())


def test_a_wait_for_one_model_is_not_ended_by_another() -> None:
    async def scenario() -> None:
        switchboard = make(poll_seconds=0.0)
        waiting = asyncio.ensure_future(switchboard.wait("loans", 0, "a", 0, ()))
        await switchboard.publish(encode_split(champion()))
        assert await waiting is None

    asyncio.run(scenario())


def test_a_replica_that_knows_the_newest_split_hears_nothing_new() -> None:
    async def scenario() -> None:
        switchboard = make(None, champion(revision=4), poll_seconds=0.0)
        assert await switchboard.wait("trips", 4, "a", 4, (1,)) is None
        assert await switchboard.wait("trips", 3, "a", 3, (1,)) == encode_split(champion(revision=4))

    asyncio.run(scenario())


def test_publishing_is_idempotent_and_never_goes_back() -> None:
    async def scenario() -> None:
        switchboard = make()
        assert await switchboard.publish(encode_split(canary(revision=2))) == 2
        assert await switchboard.publish(encode_split(canary(revision=2))) == 2
        assert await switchboard.publish(encode_split(champion(revision=1))) == 2
        with pytest.raises(Conflict, match="Split 2 of trips is another one"):
            await switchboard.publish(encode_split(champion(revision=2)))
        assert await switchboard.wait("trips", 0, "a", 0, ()) == encode_split(canary(revision=2))

    asyncio.run(scenario())


def test_who_publishes_hears_of_a_replica_that_goes_by_a_newer_split() -> None:
    """The store was restored from a backup and the Switchboard restarted: replicas outlive both."""

    async def scenario() -> None:
        switchboard = make(None, champion(revision=3))
        await switchboard.report("trips", "a", 3, (1,))
        await switchboard.report("trips", "b", 7, (1,))
        assert await switchboard.publish(encode_split(champion(revision=3))) == 7
        assert await switchboard.publish(encode_split(champion(revision=8))) == 8

    asyncio.run(scenario())


def test_a_restarted_switchboard_knows_the_stored_splits() -> None:
    async def scenario() -> None:
        switchboard = make(None, canary(revision=7))
        assert await switchboard.wait("trips", 6, "a", 6, (1,)) == encode_split(canary(revision=7))

    asyncio.run(scenario())


def test_replicas_are_reported_as_they_said_last_until_they_leave_or_fall_silent() -> None:
    async def scenario() -> None:
        clock = Clock()
        switchboard = make(clock, poll_seconds=0.0)
        await switchboard.wait("trips", 0, "a", 0, ())
        await switchboard.report("trips", "b", 2, (1, 2), "version 3 cannot be fetched")
        await switchboard.report("trips", "c", 2, (1, 2))
        await switchboard.leave("trips", "c")
        assert await switchboard.in_force("trips") == {
            "a": ReplicaReport("a", 0, (), 100.0),
            "b": ReplicaReport("b", 2, (1, 2), 100.0, "version 3 cannot be fetched"),
        }
        clock.now += FORGET_SECONDS
        await switchboard.report("trips", "b", 3, (1,))
        clock.now += 0.1
        assert await switchboard.in_force("trips") == {"b": ReplicaReport("b", 3, (1,), 100.0 + FORGET_SECONDS)}
        assert await switchboard.in_force("loans") == {}

    asyncio.run(scenario())


def test_whoever_waits_gets_published_keys_at_once_and_hears_how_many_share_a_limit() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        book = KeyBook(store)
        book.create(KeyOrder("ann", ("client",)), "up", MADE)
        switchboard = Switchboard(store, Clock())
        known, replicas = await switchboard.keys("trips", 0, "a")
        assert (decode_snapshot(str(known)), replicas) == (book.snapshot(), 0)
        for replica in "ab":
            await switchboard.report("trips", replica, 0, ())
        waiting = asyncio.ensure_future(switchboard.keys("trips", 1, "a"))
        await asyncio.sleep(0)
        book.create(KeyOrder("bob", ("client",)), "up", MADE)
        published = asyncio.ensure_future(switchboard.publish_keys(encode_snapshot(book.snapshot())))
        assert await waiting == (encode_snapshot(book.snapshot()), 2)
        published.cancel()  # it waits for the replicas to come back: see `test_key_board.py`

    asyncio.run(scenario())
