"""News reach whoever waits, and control knows where each replica stands."""

import asyncio

import msgspec
import pytest

from tests.worlds.gateway.world import canary, champion
from windvane.cluster.errors import Conflict, Invalid
from windvane.serve_apps.sync.split_subscriber import encode_split
from windvane.serve_apps.sync.switchboard import ReplicaReport, Switchboard
from windvane.serve_apps.sync.topics import CONSENTS, FORGET_SECONDS, News, Position, Topics, split_topic
from windvane.serve_apps.traffic.loaded_versions import LoadedReport

SPLITS = (split_topic("trips"),)


class Clock:
    """Unix seconds by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock | None = None, poll_seconds: float = 60.0) -> Switchboard:
    return Switchboard(Topics(poll_seconds=poll_seconds, life="one"), clock or Clock())


def encode(said: object) -> str:
    return msgspec.json.encode(said).decode()


async def read(switchboard: Switchboard, read_so_far: int | None, replica: str = "a") -> News:
    """News of the split of `trips`, for a replica that has nothing in force."""
    place = Position() if read_so_far is None else Position("one", {SPLITS[0]: read_so_far})
    told = await switchboard.read("trips", replica, SPLITS, encode(place), encode(LoadedReport(0, ())))
    return msgspec.json.decode(told, type=News)


def test_whoever_waits_gets_a_published_split_at_once() -> None:
    async def scenario() -> None:
        switchboard = make()
        waits = [asyncio.ensure_future(read(switchboard, 0, replica)) for replica in "ab"]
        await asyncio.sleep(0)
        assert await switchboard.publish(encode_split(champion())) == 1
        assert [news.posts[SPLITS[0]] for news in await asyncio.gather(*waits)] == [(encode_split(champion()),)] * 2
        late = await read(switchboard, None, "late")
        assert (late.reload, late.posts) == (SPLITS, {SPLITS[0]: (encode_split(champion()),)})

    asyncio.run(scenario())


def test_a_wait_for_one_model_is_not_ended_by_another() -> None:
    async def scenario() -> None:
        switchboard = make(poll_seconds=0.0)
        loans = (split_topic("loans"),)
        place = Position("one", {loans[0]: 0})
        waiting = asyncio.ensure_future(switchboard.read("loans", "a", loans, encode(place)))
        await switchboard.publish(encode_split(champion()))
        assert msgspec.json.decode(await waiting, type=News) == News(place)

    asyncio.run(scenario())


def test_publishing_is_idempotent_and_never_goes_back() -> None:
    async def scenario() -> None:
        switchboard = make()
        assert await switchboard.publish(encode_split(canary(revision=2))) == 2
        assert await switchboard.publish(encode_split(canary(revision=2))) == 2
        assert await switchboard.publish(encode_split(champion(revision=1))) == 2
        with pytest.raises(Conflict, match="Revision 2 of split:trips stands for another one"):
            await switchboard.publish(encode_split(champion(revision=2)))
        assert (await read(switchboard, 0)).posts == {SPLITS[0]: (encode_split(canary(revision=2)),)}
        with pytest.raises(Invalid, match="This is no split"):
            await switchboard.publish("{}")

    asyncio.run(scenario())


def test_who_publishes_hears_of_a_replica_that_goes_by_a_newer_split() -> None:
    """The store was restored from a backup and the Switchboard restarted: replicas outlive both."""

    async def scenario() -> None:
        switchboard = make()
        await switchboard.report("trips", "a", encode(LoadedReport(3, (1,))))
        await switchboard.report("trips", "b", encode(LoadedReport(7, (1,))))
        assert await switchboard.publish(encode_split(champion(revision=3))) == 7
        assert await switchboard.publish(encode_split(champion(revision=8))) == 8

    asyncio.run(scenario())


def test_and_of_one_that_has_another_split_under_the_same_revision() -> None:
    """The store went on after it was restored, up to the revision that replicas had from before."""

    async def scenario() -> None:
        switchboard = make()
        lost = canary(revision=3)
        await switchboard.report("trips", "a", encode(LoadedReport(3, (1, 2), "", 3, lost.routing())))
        with pytest.raises(Conflict, match="Revision 3 of split:trips is another split at replica a"):
            await switchboard.publish(encode_split(champion(revision=3)))
        overtaking = champion(revision=4)
        assert await switchboard.publish(encode_split(overtaking)) == 4
        await switchboard.report("trips", "a", encode(LoadedReport(4, (1,), "", 4, overtaking.routing())))
        assert await switchboard.publish(encode_split(overtaking)) == 4

    asyncio.run(scenario())


def test_and_of_one_that_waits_for_a_newer_split_to_be_loaded() -> None:
    """It would ignore all up to that one, and never has it in force where its version is gone with the store."""

    async def scenario() -> None:
        switchboard = make()
        waits = LoadedReport(3, (1,), "version 2 cannot be fetched", 9, canary(revision=9).routing())
        await switchboard.report("trips", "a", encode(waits))
        assert await switchboard.publish(encode_split(champion(revision=3))) == 9

    asyncio.run(scenario())


def test_a_replica_of_a_release_that_does_not_say_what_it_routes_is_taken_at_its_revision() -> None:
    async def scenario() -> None:
        switchboard = make()
        await switchboard.report("trips", "a", '{"revision": 3, "loaded": [1]}')
        assert await switchboard.publish(encode_split(champion(revision=3))) == 3

    asyncio.run(scenario())


def test_replicas_are_reported_as_they_said_last_until_they_leave_or_fall_silent() -> None:
    async def scenario() -> None:
        clock = Clock()
        switchboard = make(clock, poll_seconds=0.0)
        await read(switchboard, 0)
        await switchboard.report("trips", "b", encode(LoadedReport(2, (1, 2), "version 3 cannot be fetched")))
        await switchboard.report("trips", "c", encode(LoadedReport(2, (1, 2))))
        await switchboard.leave("trips", "c")
        assert await switchboard.in_force("trips") == {
            "a": ReplicaReport("a", 0, (), 100.0),
            "b": ReplicaReport("b", 2, (1, 2), 100.0, "version 3 cannot be fetched"),
        }
        clock.now += FORGET_SECONDS
        await switchboard.report("trips", "b", encode(LoadedReport(3, (1,))))
        clock.now += 0.1
        assert await switchboard.in_force("trips") == {"b": ReplicaReport("b", 3, (1,), 100.0 + FORGET_SECONDS)}
        assert await switchboard.in_force("loans") == {}

    asyncio.run(scenario())


def test_a_replica_hears_how_many_share_its_models_limits_and_a_reader_without_a_report_is_none_of_them() -> None:
    async def scenario() -> None:
        switchboard = make(poll_seconds=0.0)
        told = await switchboard.read("trips", "a/policies", (CONSENTS,), encode(Position("one", {CONSENTS: 0})))
        assert msgspec.json.decode(told, type=News).replicas == 1
        assert await switchboard.in_force("trips") == {}
        await read(switchboard, 0, "a")
        assert (await read(switchboard, 0, "b")).replicas == 2

    asyncio.run(scenario())


def test_a_post_is_known_once_its_readers_came_back() -> None:
    async def scenario() -> None:
        switchboard = Switchboard(Topics(lambda: 100.0, 60.0, -1.0, "one"), Clock())  # whoever is away is forgotten
        place = Position("one", {CONSENTS: 0})
        waiting = asyncio.ensure_future(switchboard.read("trips", "a", (CONSENTS,), encode(place)))
        await asyncio.sleep(0)
        assert await switchboard.post(CONSENTS, "agreed", 0.0)
        assert msgspec.json.decode(await waiting, type=News).posts == {CONSENTS: ("agreed",)}

    asyncio.run(scenario())
