"""What is asked of Ray again and again: its memory of classes must not grow with that."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest
from ray.exceptions import RayTaskError

from tests.worlds.bundles import SPEC
from tests.worlds.gateway.world import champion
from windvane.cluster.errors import Conflict, Unavailable
from windvane.monitoring import ray_monitor
from windvane.serve_apps.rollout.ports import Displaced
from windvane.serve_apps.sync import ray_switchboard
from windvane.serve_apps.sync.topics import POLICY, News, Place, Topics
from windvane.serve_apps.traffic.loaded_versions import Report


class FakeRay:
    """Counts the classes that it was given to wrap, and the actors that it was asked for."""

    def __init__(self) -> None:
        self.wrapped: list[type] = []
        self.asked: list[tuple[Any, ...]] = []
        self.publish = self

    def remote(self, actor: Any) -> "FakeRay":
        self.wrapped.append(actor)
        return self

    def options(self, **_: Any) -> Any:
        asked = self.asked

        class Options:
            def remote(self, *arguments: Any) -> None:
                asked.append(arguments)

        return Options()


@pytest.mark.parametrize(
    ("module", "ensure"),
    [
        (ray_switchboard, lambda: ray_switchboard.ensure_switchboard("sqlite://")),
        (ray_monitor, lambda: ray_monitor.start_monitor(SPEC, Path("log"))),
    ],
)
def test_an_actor_that_is_made_sure_of_at_every_tick_has_its_class_wrapped_once(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, ensure: Callable[[], object]
) -> None:
    ray = FakeRay()
    monkeypatch.setattr(module, "ray", ray)
    module.actor_class.cache_clear()
    try:
        for _ in range(3):
            ensure()
    finally:
        module.actor_class.cache_clear()
    assert (len(ray.wrapped), len(ray.asked)) == (1, 3)


def test_the_switchboard_brings_a_post_to_a_reader_and_knows_when_it_came_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As replicas and control call it: places and news are JSON."""
    monkeypatch.setattr(ray_switchboard, "Topics", lambda: Topics(lambda: 0.0, 60.0, -1.0, "one"))

    async def scenario() -> None:
        board = ray_switchboard.Switchboard("sqlite://")
        first = await board.read("r", (POLICY,), encode(Place()))
        assert msgspec.json.decode(first or "", type=News) == News(Place("one", {POLICY: 0}), {}, (POLICY,))
        waiting = asyncio.ensure_future(board.read("r", (POLICY,), encode(Place("one", {POLICY: 0}))))
        assert await board.post(POLICY, "a set", 0.0)  # whoever does not come back at once is forgotten here
        found = await waiting
        assert msgspec.json.decode(found or "", type=News).posts == {POLICY: ("a set",)}
        await board.stop_reading("r")

    def encode(place: Place) -> str:
        return msgspec.json.encode(place).decode()

    asyncio.run(scenario())


class Answering:
    """Ray as `RaySwitchboard` asks it: the actor's answer, or what it raised there."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def get(self, _: object, timeout: float) -> object:
        assert timeout > 0.0
        if isinstance(self.answer, Exception):
            raise RayTaskError("publish", "its traceback", self.answer).as_instanceof_cause()
        return self.answer


@pytest.mark.parametrize(("answer", "revision"), [(Conflict("Split 1 of trips is another one"), 1), (7, 7)])
def test_a_switchboard_that_has_another_split_says_so(
    monkeypatch: pytest.MonkeyPatch, answer: object, revision: int
) -> None:
    monkeypatch.setattr(ray_switchboard, "ensure_switchboard", lambda _: FakeRay())
    monkeypatch.setattr(ray_switchboard, "ray", Answering(answer))
    with pytest.raises(Displaced) as told:
        ray_switchboard.RaySwitchboard("sqlite://").publish(champion())
    assert told.value.revision == revision
    monkeypatch.setattr(ray_switchboard, "ray", Answering(1))
    ray_switchboard.RaySwitchboard("sqlite://").publish(champion())


def test_a_switchboard_that_breaks_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_switchboard, "ensure_switchboard", lambda _: FakeRay())
    monkeypatch.setattr(ray_switchboard, "ray", Answering(TypeError("an older one")))
    with pytest.raises(Unavailable, match="does not answer"):
        ray_switchboard.RaySwitchboard("sqlite://").publish(champion())


def test_a_replica_waits_for_no_answer_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def __init__(self) -> None:
            self.wait = self

        def remote(self, *_: object) -> "asyncio.Future[None]":
            return asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        feed = ray_switchboard.RayFeed("trips", "r")
        with pytest.raises(Unavailable, match="does not answer"):
            await feed.wait(0, Report(0, ()))

    monkeypatch.setattr(ray_switchboard, "ray", SimpleNamespace(get_actor=lambda *_: Silent()))
    monkeypatch.setattr(ray_switchboard, "LONGEST_CALL_SECONDS", 0.0)
    asyncio.run(scenario())
