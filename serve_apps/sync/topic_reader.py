"""Keeps a replica up to date with the topics: a long poll that outlives the Switchboard's restarts."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from windvane.cluster.errors import Unavailable, WindvaneError
from windvane.serve_apps.sync.topics import FORGET_SECONDS, POLL_SECONDS, News, Place

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0
# A reader that was not heard of for FORGET_SECONDS is not waited for any more: before that it must know itself that it
# may be behind. The rest is for a clock that runs a little differently and an answer that was on its way.
FRESH_SECONDS = FORGET_SECONDS - 1.0
assert FRESH_SECONDS > 2 * POLL_SECONDS  # how old the newest answered poll is just before the next is answered
logger = logging.getLogger(__name__)


class TopicLine(Protocol):
    """The topics as one replica sees them; both calls raise Unavailable when they are gone."""

    async def read(self, topics: tuple[str, ...], place: Place) -> News | None:
        """See `Topics.read`."""

    async def leave(self) -> None:
        """Say that the replica stops."""


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
        ticks: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._line = line
        self._subscribers = dict(subscribers)
        self._topics = tuple(self._subscribers)
        self._ticks = ticks
        self._pause = pause
        self._place = Place()
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
                await self._poll()
                pause = FIRST_PAUSE_SECONDS
                self._trouble = ""
                continue
            except WindvaneError as error:
                if self._trouble != str(error):  # said when it begins or changes
                    self._trouble = str(error)
                    logger.warning("What was known of policies and consents stays in force: %s", error)
            except Exception:
                logger.exception("Reading the topics met an unforeseen error; it goes on")
            await self._pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _poll(self) -> None:
        asked_at, place = self._ticks(), self._place
        news = await self._line.read(self._topics, place)
        if news is not None:
            for topic in news.reload:
                await self._subscribers[topic].reload()
            for topic, posts in news.posts.items():
                await self._subscribers[topic].take(posts)
            self._place = news.place
        # What was posted before the poll began is known now; what came later, the next poll says.
        self._asked_at = asked_at
