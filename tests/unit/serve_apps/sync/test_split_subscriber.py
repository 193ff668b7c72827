"""A replica goes by the stored split and by every newer one that it is told of."""

import asyncio
from typing import Any

import pytest

from tests.worlds.gateway.world import canary, champion
from windvane.cluster.errors import Invalid
from windvane.serve_apps.sync.split_subscriber import SplitSubscriber, decode_split, encode_split
from windvane.serve_apps.traffic.loaded_versions import LoadedReport, LoadedVersions
from windvane.serve_apps.traffic.router import Arm, Split


def load(number: int) -> Any:
    return f"v{number}"


def test_a_stored_split_is_taken_then_whatever_is_newer() -> None:
    async def scenario() -> None:
        loaded_versions = LoadedVersions(load)
        subscriber = SplitSubscriber(champion, loaded_versions)
        await subscriber.reload()
        await loaded_versions.settled()
        assert loaded_versions.report() == LoadedReport(1, (1,), "", 1, champion().routing())
        await subscriber.take((encode_split(canary()),))
        assert loaded_versions.known_revision == 2
        await subscriber.take((encode_split(champion()),))
        await subscriber.reload()
        assert loaded_versions.known_revision == 2, "an older one changes nothing"
        await loaded_versions.close()

    asyncio.run(scenario())


def test_without_a_stored_split_there_is_none() -> None:
    loaded_versions = LoadedVersions(load)
    asyncio.run(SplitSubscriber(lambda: None, loaded_versions).reload())
    assert loaded_versions.known_revision == 0


def test_splits_travel_as_json_unchanged() -> None:
    split = canary(shadows=(2,), warm=(3,), phase="step", reason="because")
    assert decode_split(encode_split(split)) == split


@pytest.mark.parametrize("text", ["", "{}", "[]", encode_split(Split("m", 1, "s", (Arm("champion", 1, 0.0),)))])
def test_what_is_no_split_or_routes_nowhere_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="This is no split"):
        decode_split(text)
