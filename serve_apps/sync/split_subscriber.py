"""Keeps a replica on the newest split."""

import asyncio
from collections.abc import Callable

import msgspec

from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Invalid
from windvane.serve_apps.traffic.loaded_versions import LoadedVersions
from windvane.serve_apps.traffic.router import Router, Split


class SplitSubscriber:
    """A subscriber of the topics: brings every split to the loaded versions, which ignore older ones."""

    def __init__(self, stored: Callable[[], Split | None], loaded_versions: LoadedVersions) -> None:
        """`stored` blocks."""
        self._stored = stored
        self._loaded_versions = loaded_versions

    async def reload(self) -> None:
        """Go by what the store has now."""
        split = await asyncio.to_thread(self._stored)
        if split is not None:
            self._loaded_versions.take(split)

    async def take(self, posts: tuple[str, ...]) -> None:
        """Go by the newest; raises Invalid."""
        self._loaded_versions.take(decode_split(posts[-1]))


def encode_split(split: Split) -> str:
    """The post that travels."""
    return msgspec.json.encode(split).decode()


def decode_split(split_json: str) -> Split:
    """The split in a JSON text; raises Invalid when it is none, or routes nowhere."""
    try:
        split = json_decoder(Split).decode(split_json)
        Router(split)
    except (msgspec.DecodeError, ValueError) as error:
        raise Invalid(f"This is no split: {error}") from error
    return split
