"""What is asked of Ray again and again: its memory of classes must not grow with that."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayTaskError

from tests.worlds.gateway_world import SPEC, champion
from windvane.cluster.errors import Conflict, Unavailable
from windvane.monitoring import ray_monitor
from windvane.serve_apps.rollout.ports import Displaced
from windvane.serve_apps.sync import ray_switchboard
from windvane.serve_apps.sync.switchboard import ReplicaReport, Switchboard
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
        (ray_switchboard, lambda: ray_switchboard.ensure_switchboard()),
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


class Answering:
    """Ray as `RaySwitchboard` asks it: the actor's answer, or what it raised there."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def get(self, _: object, timeout: float) -> object:
        assert timeout > 0.0
        if isinstance(self.answer, Exception):
            raise RayTaskError("publish", "its traceback", self.answer).as_instanceof_cause()
        return self.answer


@pytest.mark.parametrize(
    ("answer", "revision"), [(Conflict("Revision 1 of split:trips stands for another one"), 1), (7, 7)]
)
def test_a_switchboard_that_has_another_split_says_so(
    monkeypatch: pytest.MonkeyPatch, answer: object, revision: int
) -> None:
    monkeypatch.setattr(ray_switchboard, "ensure_switchboard", lambda: FakeRay())
    monkeypatch.setattr(ray_switchboard, "ray", Answering(answer))
    with pytest.raises(Displaced) as told:
        ray_switchboard.RaySwitchboard().publish(champion())
    assert told.value.revision == revision
    monkeypatch.setattr(ray_switchboard, "ray", Answering(1))
    ray_switchboard.RaySwitchboard().publish(champion())


def test_a_switchboard_that_breaks_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_switchboard, "ensure_switchboard", lambda: FakeRay())
    monkeypatch.setattr(ray_switchboard, "ray", Answering(TypeError("an older one")))
    with pytest.raises(Unavailable, match="does not answer"):
        ray_switchboard.RaySwitchboard().publish(champion())


def test_a_replica_waits_for_no_answer_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def __init__(self) -> None:
            self.read = self

        def remote(self, *_: object) -> "asyncio.Future[None]":
            return asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        line = ray_switchboard.RayTopicLine("trips", "r")
        with pytest.raises(Unavailable, match="does not answer"):
            await line.read((POLICY,), Place())

    monkeypatch.setattr(ray_switchboard, "ray", SimpleNamespace(get_actor=lambda *_: Silent()))
    monkeypatch.setattr(ray_switchboard, "LONGEST_CALL_SECONDS", 0.0)
    asyncio.run(scenario())


def test_a_replicas_reader_says_where_it_stands_and_its_other_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ray brings it to the Switchboard: everything is JSON."""
    switchboard = Switchboard(Topics(poll_seconds=0.0, life="one"), lambda: 100.0)

    class Remote:
        def __getattr__(self, method: str) -> SimpleNamespace:
            return SimpleNamespace(remote=getattr(switchboard, method))

    async def scenario() -> None:
        reporting = ray_switchboard.RayTopicLine("trips", "r", lambda: Report(4, (1,)))
        plain = ray_switchboard.RayTopicLine("trips", "r")
        assert await plain.read((POLICY,), Place()) == News(Place("one", {POLICY: 0}), {}, (POLICY,))
        assert await switchboard.in_force("trips") == {}
        await reporting.report()
        assert await switchboard.in_force("trips") == {"r": ReplicaReport("r", 4, (1,), 100.0)}
        await plain.leave()
        assert len(await switchboard.in_force("trips")) == 1
        await reporting.leave()
        assert await switchboard.in_force("trips") == {}

    monkeypatch.setattr(ray_switchboard, "ray", SimpleNamespace(get_actor=lambda *_: Remote()))
    asyncio.run(scenario())
