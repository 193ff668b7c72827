"""The reader brings every post to its subscriber, and knows when it may be behind."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from windvane.cluster.errors import Unavailable
from windvane.serve_apps.sync.topic_reader import FRESH_SECONDS, TopicReader
from windvane.serve_apps.sync.topics import POLICY, News, Position


class Line:
    """Answers the next thing of a list at each poll, then nothing for ever; an error is raised."""

    def __init__(self, *answers: News | Exception | None) -> None:
        self.answers = list(answers)
        self.polls: list[Position] = []
        self.left = False
        self.idle = asyncio.Event()

    async def read(self, topics: tuple[str, ...], place: Position) -> News:
        assert topics == (POLICY,)
        self.polls.append(place)
        if not self.answers:
            self.idle.set()
            await asyncio.get_running_loop().create_future()
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found or News(place)

    async def report(self) -> None:
        raise NotImplementedError

    async def leave(self) -> None:
        self.left = True


class Subscriber:
    """Notes what it is told; `trouble` is raised once by the next reload."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.trouble: Exception | None = None

    async def reload(self) -> None:
        trouble, self.trouble = self.trouble, None
        if trouble is not None:
            raise trouble
        self.told.append("reload")

    async def take(self, posts: tuple[str, ...]) -> None:
        self.told += posts


HERE = Position("one", {POLICY: 4})


def follow(
    *answers: News | Exception | None, prepare: Callable[[Subscriber], None] = lambda _: None
) -> tuple[Line, Subscriber, bool, list[float]]:
    """Start, and stop once every answer was given."""

    async def scenario() -> tuple[Line, Subscriber, bool, list[float]]:
        line, subscriber, pauses = Line(*answers), Subscriber(), []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        reader = TopicReader(line, {POLICY: subscriber}, ticks=lambda: 50.0, pause=pause)
        await reader.start()
        assert not reader.is_fresh
        prepare(subscriber)
        await line.idle.wait()
        fresh = reader.is_fresh
        await reader.stop()
        assert not reader.is_fresh  # who has left is not waited for
        return line, subscriber, fresh, pauses

    return asyncio.run(scenario())


def test_it_goes_by_the_store_first_and_then_by_what_it_is_told() -> None:
    line, subscriber, fresh, _ = follow(
        News(HERE, {}, (POLICY,)), None, News(Position("one", {POLICY: 6}), {POLICY: ("5", "6")})
    )
    assert subscriber.told == ["reload", "reload", "5", "6"]
    assert line.polls == [Position(), HERE, HERE, Position("one", {POLICY: 6})]
    assert line.left
    assert fresh


def test_while_nobody_answers_it_is_not_fresh_and_asks_again_later_and_later() -> None:
    _, subscriber, fresh, pauses = follow(*[Unavailable("gone") for _ in range(7)])
    assert not fresh
    assert subscriber.told == ["reload"]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5]


class ByStore:
    """A reader that goes by the store while the topics are away; it pauses `rounds` times, then for ever."""

    def __init__(self, line: Line, rounds: int, silence_seconds: float = 60.0) -> None:
        self.subscriber = Subscriber()
        self.heard: list[News] = []
        self.done = asyncio.Event()
        self._rounds = rounds
        self.reader = TopicReader(
            line, {POLICY: self.subscriber}, True, self.heard.append, pause=self._pause, silence_seconds=silence_seconds
        )

    async def _pause(self, _: float) -> None:
        self._rounds -= 1
        if self._rounds <= 0:
            self.done.set()
            await asyncio.get_running_loop().create_future()


def test_while_the_topics_are_away_the_store_is_asked_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = ByStore(Line(*[Unavailable("no Switchboard") for _ in range(3)]), 3)
        await world.reader.start()
        await world.done.wait()
        await world.reader.stop()
        assert world.subscriber.told == ["reload"] * 4

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.messages == ["News of policy: no Switchboard; the store is asked instead"]


def test_while_the_store_is_away_too_what_was_known_stays(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = ByStore(Line(Unavailable("no Switchboard")), 1)
        await world.reader.start()
        world.subscriber.trouble = Unavailable("no store")
        await world.done.wait()
        await world.reader.stop()
        assert world.subscriber.told == ["reload"]

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.messages == ["News of policy: no Switchboard; no store; what was known stays in force"]


def test_topics_that_are_silent_are_as_good_as_away() -> None:
    """Calls to an actor that Ray starts again wait for it, and a revoked key would open until then."""

    async def scenario() -> None:
        world = ByStore(Line(), 1, silence_seconds=0.0)
        await world.reader.start()
        await world.done.wait()
        await world.reader.stop()
        assert world.subscriber.told == ["reload", "reload"]

    asyncio.run(scenario())


def test_an_unforeseen_error_of_the_store_does_not_end_the_reading(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        line = Line(Unavailable("gone"), News(HERE, {POLICY: ("new",)}, replicas=3))
        world = ByStore(line, 9)
        await world.reader.start()
        world.subscriber.trouble = RuntimeError("nobody foresaw this")
        await line.idle.wait()
        await world.reader.stop()
        assert world.subscriber.told == ["reload", "new"]
        assert [news.replicas for news in world.heard] == [3]

    asyncio.run(scenario())
    assert "nobody foresaw this" in caplog.text


def test_stopping_what_was_never_started_is_no_error() -> None:
    class Gone(Line):
        async def leave(self) -> None:
            raise Unavailable("gone")

    asyncio.run(TopicReader(Gone(), {POLICY: Subscriber()}).stop())


def test_what_could_not_be_reloaded_is_asked_for_again_and_until_then_it_is_not_fresh() -> None:
    def trouble(subscriber: Subscriber) -> None:
        subscriber.trouble = Unavailable("the store is away")

    line, subscriber, fresh, _ = follow(News(HERE, {}, (POLICY,)), News(HERE, {}, (POLICY,)), prepare=trouble)
    assert line.polls == [Position(), Position(), HERE]
    assert subscriber.told == ["reload", "reload"]
    assert fresh


def test_an_unforeseen_error_of_a_subscriber_does_not_end_the_reading(caplog: pytest.LogCaptureFixture) -> None:
    def trouble(subscriber: Subscriber) -> None:
        subscriber.trouble = KeyError("x")

    line, *_ = follow(News(HERE, {}, (POLICY,)), News(HERE, {}, (POLICY,)), prepare=trouble)
    assert line.polls[-1] == HERE
    assert "unforeseen" in caplog.text


def test_it_is_fresh_for_less_long_than_it_is_waited_for_counted_from_when_it_asked() -> None:
    now = [0.0]

    class Slow(Line):
        async def read(self, topics: tuple[str, ...], place: Position) -> News:
            if self.polls:
                return await super().read(topics, place)
            now[0] += 1.0  # while it waited for an answer
            return await super().read(topics, place)

    async def scenario() -> None:
        line = Slow(News(HERE, {}, (POLICY,)))
        reader = TopicReader(line, {POLICY: Subscriber()}, ticks=lambda: now[0])
        await reader.start()
        await line.idle.wait()
        now[0] = FRESH_SECONDS - 0.1
        assert reader.is_fresh
        now[0] = FRESH_SECONDS
        assert not reader.is_fresh
        await reader.stop()

    asyncio.run(scenario())


def test_a_store_that_is_away_at_the_start_stops_the_start() -> None:
    async def scenario() -> None:
        subscriber = Subscriber()
        subscriber.trouble = Unavailable("away")
        with pytest.raises(Unavailable):
            await TopicReader(Line(), {POLICY: subscriber}).start()

    asyncio.run(scenario())
