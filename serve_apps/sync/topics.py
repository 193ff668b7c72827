"""Topics of news for every replica: posted by control, read by long poll, and known to have been read by all.

A post is one change: a split published, a key revoked, a policy set in force, a consent given or withdrawn. What it
changes is in the store before it is posted. So a reader that missed some (it is new, it was away, or these topics are
those of a restarted process) is told to reload from the store, and then reads on from the place that it was told before
it reloaded. Where each post replaces the one before it, posts have revisions, and the newest is all that is kept.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex

import msgspec

from windvane.cluster.errors import Conflict

MOST_KEPT = 1000  # posts of one topic
POLL_SECONDS = 0.5  # a read returns after this, so that a reader which died is missed, and one whose topics died knows
FORGET_SECONDS = 5.0  # after which a reader that was not heard of is taken for gone
KEYS, POLICY, CONSENTS = "keys", "policy", "consents"  # topics, beside one for each model's split


def split_topic(model: str) -> str:
    """Name of the topic of a model's split."""
    return f"split:{model}"


class Position(msgspec.Struct, frozen=True):
    """A reader's place: the life of the topics that it reads, and posts read of each topic."""

    life: str = ""  # none yet
    read: dict[str, int] = {}


class News(msgspec.Struct, frozen=True):
    """News for a reader: where it stands afterwards, topics to reload, then the posts by topic; often neither."""

    place: Position
    posts: dict[str, tuple[str, ...]] = {}
    reload: tuple[str, ...] = ()
    replicas: int = 1  # that answer for the reader's model: they share its callers' limits


@dataclass(slots=True)
class _Topic:
    """The newest posts, and how many there ever were; `revision` is the newest's, where posts have one."""

    posted: int = 0
    kept: list[str] = field(default_factory=list)
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class _Reader:
    place: Position
    seen_at: float


class Topics:
    """Holds posts and readers of one life; belongs to one event loop."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        poll_seconds: float = POLL_SECONDS,
        forget_seconds: float = FORGET_SECONDS,
        life: str | None = None,
    ) -> None:
        self._now = now
        self._poll_seconds = poll_seconds
        self._forget_seconds = forget_seconds
        self._life = life or token_hex(8)
        self._born_at = now()
        self._topics: dict[str, _Topic] = {}
        self._readers: dict[str, _Reader] = {}
        self._posted = asyncio.Event()
        self._was_read = asyncio.Event()

    def post(self, topic: str, body: str, revision: int | None = None) -> int:
        """Add a post, and return the number of the topic's newest.

        With a revision it replaces the one before: an older one changes nothing, nor does the same again. Raises
        Conflict when its revision stands for another body.
        """
        found = self._topics.setdefault(topic, _Topic())
        if revision is not None and found.revision is not None and revision <= found.revision:
            if revision == found.revision and found.kept != [body]:
                raise Conflict(f"Revision {revision} of {topic} stands for another one")
            return found.posted
        found.posted += 1
        found.revision = revision
        found.kept = [body] if revision is not None else [*found.kept, body][-MOST_KEPT:]
        self._posted.set()
        self._posted = asyncio.Event()
        return found.posted

    def revision(self, topic: str) -> int:
        """Revision of the topic's newest post; 0 before the first."""
        found = self._topics.get(topic)
        return 0 if found is None or found.revision is None else found.revision

    async def read(self, reader: str, topics: tuple[str, ...], place: Position) -> News:
        """Wait for news to the reader; empty after a while without.

        To call it is to say that everything before `place` is in force where the reader is.
        """
        self._readers[reader] = _Reader(place, self._now())
        self._was_read.set()
        self._was_read = asyncio.Event()
        news = self._news(topics, place)
        if news is None:
            try:
                async with asyncio.timeout(self._poll_seconds):
                    while news is None:
                        await self._posted.wait()
                        news = self._news(topics, place)
            except TimeoutError:
                return News(place)
        return news

    def leave(self, reader: str) -> None:
        """Forget a reader that stops."""
        self._readers.pop(reader, None)
        self._was_read.set()
        self._was_read = asyncio.Event()

    async def known(self, topic: str, number: int, patience_seconds: float) -> bool:
        """Whether everybody who reads the topic has this post in force, as soon as that is so, within the patience.

        Readers of an earlier life may not have come back yet, so nobody is taken to be all there are before those that
        did not come back have to know that they are behind (`TopicReader.is_fresh`).
        """
        deadline = self._now() + patience_seconds
        while self._behind(topic, number) or self._now() < self._born_at + self._forget_seconds:
            left = min(deadline - self._now(), self._forget_seconds / 10.0)  # who died is missed by and by: look again

            if left <= 0.0:
                return False
            try:
                async with asyncio.timeout(left):
                    await self._was_read.wait()
            except TimeoutError:
                continue
        return True

    def readers(self) -> Mapping[str, Position]:
        """Places of all readers that were heard of lately."""
        oldest = self._now() - self._forget_seconds
        self._readers = {name: reader for name, reader in self._readers.items() if reader.seen_at >= oldest}
        return {name: reader.place for name, reader in self._readers.items()}

    def _behind(self, topic: str, number: int) -> bool:
        return any(
            place.life != self._life or (topic in place.read and place.read[topic] < number)
            for place in self.readers().values()
        )

    def _news(self, topics: tuple[str, ...], place: Position) -> News | None:
        read = dict(place.read) if place.life == self._life else {}
        posts: dict[str, tuple[str, ...]] = {}
        reload = []
        after = {}
        for topic in topics:
            found = self._topics.get(topic) or _Topic()
            after[topic] = found.posted
            missed = found.posted - read[topic] if topic in read else None
            if missed is None or (missed > len(found.kept) and found.revision is None):
                reload.append(topic)
                missed = 0 if found.revision is None else 1
            if missed and found.kept:
                posts[topic] = tuple(found.kept[-missed:])
        if not posts and not reload:
            return None
        return News(Position(self._life, after), posts, tuple(reload))
