"""Topics: every reader gets every post or is told to reload, and nobody is said to know what it may not."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.cluster.errors import Conflict
from windvane.serve_apps.sync import topics
from windvane.serve_apps.sync.topics import CONSENTS, FORGET_SECONDS, POLICY, News, Position, Topics

BOTH = (POLICY, CONSENTS)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def grown(clock: Clock, life: str = "one") -> Topics:
    """Topics that have lived long enough for readers of an earlier life to have come back; polls do not wait."""
    made = Topics(clock, poll_seconds=0.0, life=life)
    clock.seconds += FORGET_SECONDS
    return made


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def test_a_new_reader_reloads_everything_and_then_reads_on() -> None:
    async def scenario() -> None:
        board = grown(Clock())
        board.post(POLICY, "first")
        news = await board.read("r", BOTH, Position())
        assert news == News(Position("one", {POLICY: 1, CONSENTS: 0}), {}, BOTH)
        assert await board.read("r", BOTH, news.place) == News(news.place)
        board.post(CONSENTS, "a")
        board.post(CONSENTS, "b")
        assert await board.read("r", BOTH, news.place) == News(
            Position("one", {POLICY: 1, CONSENTS: 2}), {CONSENTS: ("a", "b")}
        )

    run(scenario())


def test_a_reader_that_waits_hears_of_a_post_at_once() -> None:
    async def scenario() -> None:
        board = Topics(Clock(), poll_seconds=60.0, life="one")
        reading = asyncio.ensure_future(board.read("r", (POLICY,), Position("one", {POLICY: 0})))
        await asyncio.sleep(0)
        board.post(CONSENTS, "of another topic")
        await asyncio.sleep(0)
        board.post(POLICY, "new")
        assert await reading == News(Position("one", {POLICY: 1}), {POLICY: ("new",)})

    run(scenario())


def test_a_reader_of_another_life_or_too_far_behind_reloads(monkeypatch: Any) -> None:
    monkeypatch.setattr(topics, "MOST_KEPT", 2)

    async def scenario() -> None:
        board = grown(Clock())
        for body in "abc":
            board.post(CONSENTS, body)
        here = Position("one", {CONSENTS: 3})
        assert await board.read("r", (CONSENTS,), Position("zero", {CONSENTS: 3})) == News(here, {}, (CONSENTS,))
        assert await board.read("r", (CONSENTS,), Position("one", {CONSENTS: 0})) == News(here, {}, (CONSENTS,))
        assert await board.read("r", (CONSENTS,), Position("one", {CONSENTS: 1})) == News(here, {CONSENTS: ("b", "c")})

    run(scenario())


def test_a_post_is_known_once_every_reader_came_back_with_it() -> None:
    async def scenario() -> None:
        board = grown(Clock())
        await board.read("a", (CONSENTS,), Position("one", {CONSENTS: 0}))
        await board.read("b", (CONSENTS,), Position("one", {CONSENTS: 0}))
        number = board.post(CONSENTS, "x")
        known = asyncio.ensure_future(board.known(CONSENTS, number, patience_seconds=60.0))
        await board.read("a", (CONSENTS,), Position("one", {CONSENTS: 1}))
        await asyncio.sleep(0)
        assert not known.done()
        await board.read("b", (CONSENTS,), Position("one", {CONSENTS: 1}))
        assert await known

    run(scenario())


def test_whoever_reads_other_topics_only_is_not_waited_for() -> None:
    async def scenario() -> None:
        board = grown(Clock())
        await board.read("a", (POLICY,), Position("one", {POLICY: 0}))
        assert await board.known(CONSENTS, board.post(CONSENTS, "x"), 0.0)

    run(scenario())


def test_a_reader_that_died_or_left_is_not_waited_for() -> None:
    async def scenario() -> None:
        clock = Clock()
        board = grown(clock)
        await board.read("dies", (CONSENTS,), Position("one", {CONSENTS: 0}))
        await board.read("leaves", (CONSENTS,), Position("one", {CONSENTS: 0}))
        number = board.post(CONSENTS, "x")
        board.leave("leaves")
        clock.seconds += FORGET_SECONDS - 0.1
        assert not await board.known(CONSENTS, number, 0.0)
        clock.seconds += 0.2
        assert await board.known(CONSENTS, number, 0.0)
        assert board.readers() == {}

    run(scenario())


def test_after_a_restart_nothing_is_known_until_old_readers_must_know_that_they_are_behind() -> None:
    async def scenario() -> None:
        clock = Clock()
        board = Topics(clock, poll_seconds=0.0, life="two")
        number = board.post(CONSENTS, "x")
        assert not await board.known(CONSENTS, number, 0.0)
        clock.seconds += FORGET_SECONDS
        assert await board.known(CONSENTS, number, 0.0)
        await board.read("back", (CONSENTS,), Position("one", {CONSENTS: 7}))
        assert not await board.known(CONSENTS, number, 0.0)

    run(scenario())


def test_of_posts_that_replace_each_other_the_newest_is_all_that_is_read() -> None:
    async def scenario() -> None:
        board = grown(Clock())
        assert [board.post(POLICY, body, revision) for body, revision in (("a", 3), ("b", 5))] == [1, 2]
        assert board.revision(POLICY) == 5
        here = Position("one", {POLICY: 2})
        assert await board.read("behind", (POLICY,), Position("one", {POLICY: 0})) == News(here, {POLICY: ("b",)})
        assert await board.read("new", (POLICY,), Position()) == News(here, {POLICY: ("b",)}, (POLICY,))
        assert await board.read("new", (POLICY,), here) == News(here)

    run(scenario())


def test_an_older_revision_and_the_same_again_change_nothing() -> None:
    board = grown(Clock())
    assert [board.post(POLICY, body, revision) for body, revision in (("b", 5), ("a", 3), ("b", 5))] == [1, 1, 1]
    assert board.revision(POLICY) == 5
    assert board.revision(CONSENTS) == 0


def test_a_revision_that_stands_for_another_body_is_a_conflict_and_a_higher_one_ends_it() -> None:
    board = grown(Clock())
    board.post(POLICY, "b", 5)
    with pytest.raises(Conflict, match="Revision 5 of policy stands for another one"):
        board.post(POLICY, "c", 5)
    assert board.post(POLICY, "c", 6) == 2


STEPS = st.lists(st.sampled_from(["post", "read a", "read b", "restart"]), max_size=25)


@settings(max_examples=60)
@given(STEPS)
def test_whatever_happens_a_reader_ends_up_with_what_is_stored_in_order(steps: list[str]) -> None:
    async def scenario() -> None:
        clock, store = Clock(), list[str]()
        board = grown(clock, "0")
        places: dict[str, Position] = {"a": Position(), "b": Position()}
        have: dict[str, list[str]] = {"a": [], "b": []}

        async def read(name: str) -> None:
            news = await board.read(name, (CONSENTS,), places[name])
            if news.reload:
                have[name] = list(store)
            have[name] += news.posts.get(CONSENTS, ())
            places[name] = news.place

        for count, step in enumerate(steps):
            if step == "post":
                store.append(str(count))
                board.post(CONSENTS, str(count))
            elif step == "restart":
                board = grown(clock, str(count + 1))
            else:
                await read(step[-1])
        for name in have:
            await read(name)
            assert have[name] == store

    run(scenario())
