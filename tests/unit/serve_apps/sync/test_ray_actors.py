"""Ray's memory of classes does not grow with what is asked of it again and again."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayTaskError

from tests.worlds.bundles import SPEC
from tests.worlds.gateway.world import champion
from windvane.cluster.errors import Conflict, Unavailable
from windvane.configs.settings import namespace_of
from windvane.monitoring import ray_monitor
from windvane.serve_apps.rollout.ports import Displaced
from windvane.serve_apps.sync import ray_switchboard
from windvane.serve_apps.sync.switchboard import ReplicaReport, Switchboard
from windvane.serve_apps.sync.topics import POLICY, News, Position, Topics
from windvane.serve_apps.traffic.loaded_versions import LoadedReport


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


def start_switchboard(namespace: str) -> object:
    return ray_switchboard.ensure_switchboard(namespace)


def start_monitor(namespace: str) -> object:
    return ray_monitor.start_monitor(SPEC, Path("log"), namespace)


@pytest.mark.parametrize(("module", "start"), [(ray_switchboard, start_switchboard), (ray_monitor, start_monitor)])
def test_an_actor_that_is_made_sure_of_at_every_tick_has_its_class_wrapped_once(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, start: Callable[[str], object]
) -> None:
    ray = FakeRay()
    monkeypatch.setattr(module, "ray", ray)
    module.actor_class.cache_clear()
    try:
        for _ in range(3):
            start("wv")
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
    monkeypatch.setattr(ray_switchboard, "ensure_switchboard", lambda *_: FakeRay())
    monkeypatch.setattr(ray_switchboard, "ray", Answering(answer))
    with pytest.raises(Displaced) as told:
        ray_switchboard.RaySwitchboard("wv").publish(champion())
    assert told.value.revision == revision
    monkeypatch.setattr(ray_switchboard, "ray", Answering(1))
    ray_switchboard.RaySwitchboard("wv").publish(champion())


def test_a_switchboard_that_breaks_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_switchboard, "ensure_switchboard", lambda *_: FakeRay())
    monkeypatch.setattr(ray_switchboard, "ray", Answering(TypeError("an older one")))
    with pytest.raises(Unavailable, match="does not answer"):
        ray_switchboard.RaySwitchboard("wv").publish(champion())


def test_a_replica_waits_for_no_answer_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def __init__(self) -> None:
            self.read = self

        def remote(self, *_: object) -> "asyncio.Future[None]":
            return asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        line = ray_switchboard.RayTopicLine("trips", "r", "wv")
        with pytest.raises(Unavailable, match="does not answer"):
            await line.read((POLICY,), Position())

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
        reporting = ray_switchboard.RayTopicLine("trips", "r", "wv", lambda: LoadedReport(4, (1,)))
        plain = ray_switchboard.RayTopicLine("trips", "r", "wv")
        assert await plain.read((POLICY,), Position()) == News(Position("one", {POLICY: 0}), {}, (POLICY,))
        assert await switchboard.in_force("trips") == {}
        await reporting.report()
        assert await switchboard.in_force("trips") == {"r": ReplicaReport("r", 4, (1,), 100.0)}
        await plain.leave()
        assert len(await switchboard.in_force("trips")) == 1
        await reporting.leave()
        assert await switchboard.in_force("trips") == {}

    monkeypatch.setattr(ray_switchboard, "ray", SimpleNamespace(get_actor=lambda *_: Remote()))
    asyncio.run(scenario())


class Cluster:
    """Ray's named actors, by namespace and name."""

    def __init__(self, *actors: tuple[str, str]) -> None:
        self.actors = set(actors)

    def list_named_actors(self, all_namespaces: bool) -> list[dict[str, str]]:
        assert all_namespaces
        return [{"namespace": namespace, "name": name} for namespace, name in sorted(self.actors)]

    def get_actor(self, name: str, namespace: str) -> tuple[str, str]:
        return namespace, name

    def kill(self, actor: tuple[str, str]) -> None:
        self.actors.remove(actor)


def test_monitors_of_models_that_left_are_ended_and_no_other_windvanes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = (namespace_of(f"sqlite:////srv/{home}/windvane.db") for home in ("ours", "theirs"))
    kept = {(ours, "monitor:trips"), (ours, "switchboard"), (theirs, "monitor:gone"), (theirs, "switchboard")}
    cluster = Cluster(*kept, (ours, "monitor:gone"))
    monkeypatch.setattr(ray_monitor, "ray", cluster)
    monkeypatch.setattr(ray_monitor, "list_named_actors", cluster.list_named_actors)
    ray_monitor.end_monitors(["trips"], ours)
    assert cluster.actors == kept


@pytest.mark.parametrize("start", [start_switchboard, start_monitor])
def test_an_actor_is_started_and_looked_up_in_the_namespace_of_its_windvane(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[str], object]
) -> None:
    named: list[tuple[str, str]] = []

    class Wrapped:
        def options(self, name: str, namespace: str, **_: object) -> "Wrapped":
            named.append((namespace, name))
            return self

        def remote(self, *_: object) -> None:
            """Starts it."""

    for module in (ray_switchboard, ray_monitor):
        monkeypatch.setattr(module, "actor_class", Wrapped)
    for namespace in ("one", "two"):
        start(namespace)
    assert [namespace for namespace, _ in named] == ["one", "two"]
    assert len({name for _, name in named}) == 1
