"""Publishes splits and keys to waiting replicas: one per Windvane, so they are everywhere in milliseconds."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Conflict, Invalid
from windvane.cluster.store import Shelf, Store
from windvane.serve_apps.sync.key_board import KeyBoard
from windvane.serve_apps.traffic.router import SPLIT, Router, Split

POLL_SECONDS = 2.0  # a wait returns after this, so that a replica which died is missed
FORGET_SECONDS = 5.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """One replica's last report: the revision in force (0: none) and the versions it holds."""

    replica: str
    in_force: int
    loaded: tuple[int, ...]
    seen_at: float  # Unix seconds
    trouble: str = ""  # why a newer split is not in force there yet


@dataclass(slots=True)
class _Board:
    """One model's split and who follows it."""

    split: Split | None = None
    replicas: dict[str, ReplicaReport] = field(default_factory=dict)
    published: asyncio.Event = field(default_factory=asyncio.Event)


class Switchboard:
    """Keeps the newest split of every model and the newest keys, as the store last had them, and tells whoever waits.

    Splits and reports travel as JSON, so that replicas of two releases understand each other.
    """

    def __init__(self, store: Store, now: Callable[[], float] = time.time, poll_seconds: float = POLL_SECONDS) -> None:
        self._now = now
        self._poll_seconds = poll_seconds
        self._boards: dict[str, _Board] = {}
        for split in Shelf(store, SPLIT, Split).all():
            self._board(split.model).split = split
        self._keys = KeyBoard(KeyBook(store).snapshot())

    async def publish(self, split_json: str) -> int:
        """Make a split the newest and return the revision that is, here or at a replica; an older one changes nothing.

        Raises Conflict when its revision already stands for another split.
        """
        split = decode_split(split_json)
        board = self._board(split.model)
        if board.split is None or split.revision > board.split.revision:
            board.split = split
            board.published.set()
            board.published = asyncio.Event()
        elif split.revision == board.split.revision and split != board.split:
            raise Conflict(f"Split {split.revision} of {split.model} is another one: publish with a higher revision")
        # A replica outlives this actor: it may go by a split that the store had before it was restored from a backup.
        return max([board.split.revision, *(each.in_force for each in (await self.in_force(split.model)).values())])

    async def wait(
        self, model: str, known_revision: int, replica: str, in_force: int, loaded: tuple[int, ...], trouble: str = ""
    ) -> str | None:
        """The newest split's JSON as soon as it is newer than what the replica knows; None after a while without one.

        The call also says what the replica has in force and loaded.
        """
        board = self._board(model)
        await self.report(model, replica, in_force, loaded, trouble)
        if board.split is None or board.split.revision <= known_revision:
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await board.published.wait()
            except TimeoutError:
                return None
        return None if board.split is None else encode_split(board.split)

    async def publish_keys(self, snapshot_json: str) -> bool:
        """Make these keys the newest, older ones change nothing; whether every replica is known to go by the newest."""
        return await self._keys.known(self._keys.publish(snapshot_json))

    async def keys(self, model: str, known_revision: int, replica: str) -> tuple[str | None, int]:
        """The newest keys' JSON as soon as they are newer than the known ones, None after a while without any.

        The number is that of the model's replicas, which share its callers' limits.
        """
        text = await self._keys.wait(known_revision, replica)
        return text, len(await self.in_force(model))

    async def report(self, model: str, replica: str, in_force: int, loaded: tuple[int, ...], trouble: str = "") -> None:
        """Note where a replica stands, between two waits."""
        report = ReplicaReport(replica, in_force, tuple(loaded), self._now(), trouble)
        self._board(model).replicas[replica] = report

    async def leave(self, model: str, replica: str) -> None:
        """Forget a replica that stops."""
        self._board(model).replicas.pop(replica, None)

    async def in_force(self, model: str) -> dict[str, ReplicaReport]:
        """The reports of the replicas that were heard of lately."""
        board = self._board(model)
        oldest = self._now() - FORGET_SECONDS
        board.replicas = {name: report for name, report in board.replicas.items() if report.seen_at >= oldest}
        return dict(board.replicas)

    def _board(self, model: str) -> _Board:
        return self._boards.setdefault(model, _Board())


def encode_split(split: Split) -> str:
    """The JSON that travels."""
    return msgspec.json.encode(split).decode()


def decode_split(split_json: str) -> Split:
    """The split in a JSON text; raises Invalid when it is none, or routes nowhere."""
    try:
        split = json_decoder(Split).decode(split_json)
        Router(split)
    except (msgspec.DecodeError, ValueError) as error:
        raise Invalid(f"This is no split: {error}") from error
    return split
