"""Every topic's subscriber goes by store and posts, and never back by a post, whatever it holds."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.worlds.gateway.world import champion, settled
from tests.worlds.policies import rule, written
from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import encode_snapshot
from windvane.cluster.errors import Invalid, Unavailable
from windvane.cluster.policies.cedar_policy import taken
from windvane.cluster.policies.consent import ConsentRecords
from windvane.cluster.policies.policy_library import PolicyInForce
from windvane.cluster.store import Saved, Shelf
from windvane.serve_apps.sync.consents import Consents, encode_change
from windvane.serve_apps.sync.key_subscriber import KeySubscriber
from windvane.serve_apps.sync.policy_in_force import PolicyHolder, encode_policy
from windvane.serve_apps.sync.split_subscriber import SplitSubscriber, encode_split
from windvane.serve_apps.sync.topic_reader import Subscriber, TopicReader
from windvane.serve_apps.sync.topics import CONSENTS, KEYS, POLICY, News, Position, Topics, split_topic
from windvane.serve_apps.traffic.loaded_versions import LoadedVersions
from windvane.serve_apps.traffic.router import SPLIT, Split

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PURPOSES = ("lending", "marketing", "research")


class AwayStore(MemoryStore):
    """A store that does not answer while it is `away`."""

    away = False

    def get(self, kind: str, key: str) -> Saved | None:
        self._demand()
        return super().get(kind, key)

    def list(self, kind: str, prefix: str = "") -> tuple[Saved, ...]:
        self._demand()
        return super().list(kind, prefix)

    def _demand(self) -> None:
        if self.away:
            raise Unavailable("the store is away")


@dataclass
class Case:
    """One topic: `change` makes the store's next state and returns its post; `state` is the one gone by, from 1."""

    topic: str
    replaced: bool  # each post replaces the one before: it travels with a revision
    store: AwayStore
    subscriber: Subscriber
    change: Callable[[], str]
    state: Callable[[], int]


def splits() -> Case:
    def load(number: int) -> Any:
        return number

    store, loaded_versions = AwayStore(), LoadedVersions(load)
    shelf = Shelf(store, SPLIT, Split)

    def change() -> str:
        stored, revision = shelf.load("trips")
        split = champion(revision=1 if stored is None else stored.revision + 1)
        shelf.save("trips", split, revision)
        return encode_split(split)

    subscriber = SplitSubscriber(lambda: shelf.load("trips")[0], loaded_versions)
    return Case(split_topic("trips"), True, store, subscriber, change, lambda: loaded_versions.known_revision)


def keys() -> Case:
    store, authenticator = AwayStore(), Authenticator()
    book = KeyBook(store)

    def change() -> str:
        book.create(KeyOrder("ann", ("client",)), "up", AT)
        return encode_snapshot(book.snapshot())

    return Case(KEYS, True, store, KeySubscriber(book.snapshot, authenticator), change, lambda: len(authenticator.ring))


def policy() -> Case:
    store, sets = AwayStore(), list[PolicyInForce]()

    def stored() -> PolicyInForce | None:
        store.get("policy", "any")
        return sets[-1] if sets else None

    def change() -> str:
        name = f"set{len(sets)}"
        sets.append(PolicyInForce(len(sets) + 1, written(rule("permit (principal, action, resource)", name))))
        return encode_policy(sets[-1])

    holder = PolicyHolder(stored, taken)
    return Case(POLICY, True, store, holder, change, lambda: holder.number)


def consents() -> Case:
    store = AwayStore()
    records = ConsentRecords(store)
    held, given = Consents(records, frozenset(PURPOSES)), list[str]()

    def change() -> str:
        given.append(PURPOSES[len(given)])
        return encode_change(records.record("ann", {given[-1]: True}, "front-desk", AT))

    return Case(CONSENTS, False, store, held, change, lambda: sum(held.of("ann", each) is True for each in PURPOSES))


cases = pytest.mark.parametrize("make", [splits, keys, policy, consents])


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


@cases
def test_without_anything_stored_nothing_holds(make: Callable[[], Case]) -> None:
    async def scenario() -> None:
        case = make()
        await case.subscriber.reload()
        assert case.state() == 0

    run(scenario)


@cases
def test_it_goes_by_the_store_then_by_every_newer_post_and_never_back(make: Callable[[], Case]) -> None:
    async def scenario() -> None:
        case = make()
        first = case.change()
        await case.subscriber.reload()
        assert case.state() == 1
        second, third = case.change(), case.change()
        await case.subscriber.take((second, third))
        assert case.state() == 3
        for post in (first, third, second):
            await case.subscriber.take((post,))
            assert case.state() == 3
        await case.subscriber.reload()
        assert case.state() == 3

    run(scenario)


@cases
def test_while_the_store_is_away_what_was_known_holds(make: Callable[[], Case]) -> None:
    async def scenario() -> None:
        case = make()
        await case.subscriber.take((case.change(),))
        case.store.away = True
        with pytest.raises(Unavailable):
            await case.subscriber.reload()
        assert case.state() == 1

    run(scenario)


@cases
@pytest.mark.parametrize("post", ["", "{}", "[1]", '{"number": "x"}'])
def test_a_post_that_cannot_be_read_changes_nothing(make: Callable[[], Case], post: str) -> None:
    async def scenario() -> None:
        case = make()
        await case.subscriber.take((case.change(),))
        with pytest.raises((Invalid, msgspec.DecodeError)):
            await case.subscriber.take((post,))
        assert case.state() == 1

    run(scenario)


class Line:
    """A reader's line to topics that may be replaced by those of a restarted process."""

    def __init__(self) -> None:
        self.topics = Topics(poll_seconds=0.0, life="one")

    async def read(self, topics: tuple[str, ...], place: Position) -> News:
        return await self.topics.read("a", topics, place)

    async def report(self) -> None:
        raise NotImplementedError

    async def leave(self) -> None:
        self.topics.leave("a")


@cases
def test_through_the_topics_it_hears_of_each_change_also_of_one_made_while_they_restarted(
    make: Callable[[], Case],
) -> None:
    async def scenario() -> None:
        case, line = make(), Line()
        reader = TopicReader(line, {case.topic: case.subscriber})
        await reader.start()
        for state in (1, 2):
            line.topics.post(case.topic, case.change(), state if case.replaced else None)
            await settled(lambda: case.state() == state)  # noqa: B023  asked before the next round
        case.change()  # stored, and its post is lost with the process
        line.topics = Topics(poll_seconds=0.0, life="two")
        await settled(lambda: case.state() == 3)
        await reader.stop()

    run(scenario)
