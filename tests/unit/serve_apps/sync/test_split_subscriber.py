import asyncio
from typing import Any

from tests.worlds.gateway.fakes import FakeFeed
from tests.worlds.gateway.world import canary, champion, settled
from windvane.cluster.errors import Unavailable
from windvane.serve_apps.sync.split_subscriber import SplitSubscriber
from windvane.serve_apps.traffic.loaded_versions import LoadedVersions, Report


def load(number: int) -> Any:
    return f"v{number}"


def test_every_published_split_is_taken_and_where_the_replica_stands_is_said() -> None:
    async def scenario() -> None:
        feed = FakeFeed(champion(), canary())
        loaded_versions = LoadedVersions(load, changed=lambda: subscriber.changed())
        subscriber = SplitSubscriber(feed, loaded_versions)
        subscriber.start()
        await settled(lambda: loaded_versions.report() == Report(2, (1, 2)))
        await settled(lambda: feed.reports[-1] == Report(2, (1, 2)))
        assert feed.polls == [0, 1, 2]
        await subscriber.stop()
        assert feed.left

    asyncio.run(scenario())


def test_a_lost_switchboard_leaves_the_last_split_in_force_and_is_followed_again() -> None:
    async def scenario() -> None:
        feed = FakeFeed(champion(), Unavailable("gone"), RuntimeError("nobody foresaw this"), canary())
        loaded_versions = LoadedVersions(load)
        subscriber = SplitSubscriber(feed, loaded_versions, first_pause_seconds=0.0, longest_pause_seconds=0.0)
        subscriber.start()
        await settled(lambda: loaded_versions.report().revision == 2)
        assert feed.polls[:5] == [0, 1, 1, 1, 2]
        await subscriber.stop()

    asyncio.run(scenario())


def test_stopping_without_a_switchboard_is_no_error() -> None:
    class Gone(FakeFeed):
        async def leave(self) -> None:
            raise Unavailable("gone")

    async def scenario() -> None:
        subscriber = SplitSubscriber(Gone(), LoadedVersions(load))
        subscriber.start()
        await asyncio.sleep(0)
        await subscriber.stop()

    asyncio.run(scenario())
