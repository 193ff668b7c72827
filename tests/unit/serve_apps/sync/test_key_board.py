"""Whoever waits for keys is told of newer ones at once, and never of older ones."""

import asyncio
from datetime import UTC, datetime

import pytest

from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import EMPTY_SNAPSHOT, KeySnapshot, decode_snapshot, encode_snapshot
from windvane.cluster.errors import Invalid
from windvane.serve_apps.sync.key_board import FORGET_SECONDS, KeyBoard

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """Seconds by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def snapshots() -> list[KeySnapshot]:
    """Of revisions 1, 2 and 3."""
    book = KeyBook(MemoryStore())
    found = []
    for name in "abc":
        book.create(KeyOrder(name, ("client",)), "up", NOW)
        found.append(book.snapshot())
    return found


def test_whoever_waits_is_told_at_once(snapshots: list[KeySnapshot]) -> None:
    async def scenario() -> None:
        board = KeyBoard(EMPTY_SNAPSHOT, poll_seconds=60.0)
        waits = [asyncio.ensure_future(board.wait(0, "a")) for _ in range(2)]
        await asyncio.sleep(0)
        assert board.publish(encode_snapshot(snapshots[0])) == 1
        assert [decode_snapshot(str(found)) for found in await asyncio.gather(*waits)] == [snapshots[0]] * 2
        assert await board.wait(0, "a") == encode_snapshot(snapshots[0])  # who comes late, too

    asyncio.run(scenario())


def test_what_the_store_had_is_told_without_being_published(snapshots: list[KeySnapshot]) -> None:
    board = KeyBoard(snapshots[2])
    assert asyncio.run(board.wait(1, "a")) == encode_snapshot(snapshots[2])


def test_who_knows_the_newest_hears_nothing_new(snapshots: list[KeySnapshot]) -> None:
    for known in 3, 9:
        assert asyncio.run(KeyBoard(snapshots[2], poll_seconds=0.0).wait(known, "a")) is None


def test_an_older_snapshot_takes_nothing_back(snapshots: list[KeySnapshot]) -> None:
    """Two changes of keys may be published in either order; a revoked key may not come back."""
    board = KeyBoard(snapshots[1])
    assert board.publish(encode_snapshot(snapshots[0])) == 2
    assert asyncio.run(board.wait(0, "a")) == encode_snapshot(snapshots[1])


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"revision": 9, "keys": [{}]}'])
def test_what_is_no_snapshot_changes_nothing(snapshots: list[KeySnapshot], text: str) -> None:
    board = KeyBoard(snapshots[0])
    with pytest.raises(Invalid, match="no snapshot"):
        board.publish(text)
    assert asyncio.run(board.wait(0, "a")) == encode_snapshot(snapshots[0])


def grown(snapshot: KeySnapshot, clock: Clock, patience_seconds: float = 60.0) -> KeyBoard:
    """A board whose readers had the time to come."""
    board = KeyBoard(snapshot, clock, poll_seconds=60.0, patience_seconds=patience_seconds)
    clock.now += FORGET_SECONDS
    return board


def test_keys_are_known_when_every_replica_came_back_with_them(snapshots: list[KeySnapshot]) -> None:
    async def scenario() -> None:
        board = grown(snapshots[0], Clock())
        waits = [asyncio.ensure_future(board.wait(1, replica)) for replica in "ab"]
        await asyncio.sleep(0)
        known = asyncio.ensure_future(board.known(board.publish(encode_snapshot(snapshots[1]))))
        await asyncio.gather(*waits)
        waits = [asyncio.ensure_future(board.wait(2, "a"))]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not known.done()  # b has not said so
        waits.append(asyncio.ensure_future(board.wait(2, "b")))
        assert await known
        for wait in waits:
            wait.cancel()

    asyncio.run(scenario())


def test_a_replica_that_does_not_come_back_is_said_and_then_forgotten(snapshots: list[KeySnapshot]) -> None:
    clock = Clock()
    board = grown(snapshots[0], clock, patience_seconds=0.0)
    assert asyncio.run(board.wait(0, "dead")) == encode_snapshot(snapshots[0])
    assert not asyncio.run(board.known(1))
    clock.now += FORGET_SECONDS
    assert asyncio.run(board.known(1))


def test_a_young_board_does_not_say_that_all_know(snapshots: list[KeySnapshot]) -> None:
    assert not asyncio.run(KeyBoard(snapshots[0], Clock(), patience_seconds=0.0).known(1))
