"""Keeps a replica up to date with the topics: a long poll that outlives the Switchboard's restarts."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from windvane.cluster.errors import Unavailable, WindvaneError
from windvane.serve_apps.sync.topics import FORGET_SECONDS, POLL_SECONDS, News, Position
from windvane.serve_apps.traffic.loaded_versions import LoadedReport

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.5
# A Switchboard that is silent for so long is taken for gone: with a look into the store, and the longest pause before
# it, a replica that goes by the store meanwhile has refused a revoked key about a second after it was revoked.
SILENCE_SECONDS = 0.8
assert SILENCE_SECONDS > POLL_SECONDS
# A reader that was not heard of for FORGET_SECONDS is not waited for any more: before that it must know itself that it
# may be behind. The rest is for a clock that runs a little differently and an answer that was on its way.
FRESH_SECONDS = FORGET_SECONDS - 1.0
assert FRESH_SECONDS > 2 * POLL_SECONDS  # how old the newest answered poll is just before the next is answered
logger = logging.getLogger(__name__)


class TopicLine(Protocol):
    """The topics as one reader sees them; each call raises Unavailable when they are gone."""

    async def read(self, topics: tuple[str, ...], place: Position) -> News:
        """See `Topics.read`."""

    async def report(self) -> None:
        """Say where the replica stands, between two reads, which say it too."""

    async def leave(self) -> None:
        """Say that the reader stops."""


# A line of one reader; what makes it is given what tells where the replica stands, by one of the replica's readers.
Lines = Callable[[Callable[[], LoadedReport] | None], TopicLine]


class Subscriber(Protocol):
    """Keeps a replica's state of one topic; either method may raise, and is then called again."""

    async def reload(self) -> None:
        """Go by what the store has now."""

    async def take(self, posts: tuple[str, ...]) -> None:
        """Go by these changes too, oldest first."""


class TopicReader:
    """Brings every post to its subscriber, and knows how long nothing was heard."""

    def __init__(
        self,
        line: TopicLine,
        subscribers: Mapping[str, Subscriber],
        by_store: bool = False,
        heard: Callable[[News], None] = lambda _: None,
        ticks: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        """With `by_store` the subscribers, whose reload is quick, go by the store while the topics are away or silent.

        `heard` is called with every answer.
        """
        self._line = line
        self._subscribers = dict(subscribers)
        self._topics = tuple(self._subscribers)
        self._by_store = by_store
        self._heard = heard
        self._ticks = ticks
        self._pause = pause
        self._silence_seconds = silence_seconds if by_store else None
        self._place = Position()
        self._asked_at = -math.inf  # when the last poll that was answered had begun
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""

    @property
    def is_fresh(self) -> bool:
        """Whether whatever was said to be known by all is known here: a reader that is behind is not fresh."""
        return self._ticks() - self._asked_at < FRESH_SECONDS

    async def start(self) -> None:
        """Reload every topic once, from the store, then follow until stopped; raises what the store raises."""
        for subscriber in self._subscribers.values():
            await subscriber.reload()
        self._task = asyncio.ensure_future(self._follow())

    async def stop(self) -> None:
        """Stop following and say so."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._asked_at = -math.inf  # who has left is not waited for
        with contextlib.suppress(Unavailable):
            await self._line.leave()

    async def _follow(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                if await self._heard_news():
                    pause = FIRST_PAUSE_SECONDS
                    continue
            except Exception:
                logger.exception("Reading the topics met an unforeseen error; it goes on")
            await self._pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _heard_news(self) -> bool:
        """Poll once, and say what holds meanwhile where that fails."""
        try:
            await self._poll()
        except (WindvaneError, TimeoutError) as error:
            away = str(error) or "the Switchboard is silent"
        else:
            self._trouble = ""
            return True
        if not self._by_store:
            self._say(f"{away}; what was known stays in force")
            return False
        try:
            for subscriber in self._subscribers.values():
                await subscriber.reload()
        except WindvaneError as error:
            self._say(f"{away}; {error}; what was known stays in force")
        else:
            self._say(f"{away}; the store is asked instead")
        return False

    def _say(self, trouble: str) -> None:
        """Warn when trouble begins or changes."""
        if self._trouble != trouble:
            self._trouble = trouble
            logger.warning("News of %s: %s", ", ".join(self._topics), trouble)

    async def _poll(self) -> None:
        asked_at, place = self._ticks(), self._place
        async with asyncio.timeout(self._silence_seconds):
            news = await self._line.read(self._topics, place)
        for topic in news.reload:
            await self._subscribers[topic].reload()
        for topic, posts in news.posts.items():
            await self._subscribers[topic].take(posts)
        self._place = news.place
        # What was posted before the poll began is known now; what came later, the next poll says.
        self._asked_at = asked_at
        self._heard(news)
