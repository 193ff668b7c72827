"""A version is brought here before replicas are told of it, and no registry holds up a way back."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.rollout.world import MODEL, FakeSwitchboard, World
from windvane.backtest.memory import MemoryRegistry
from windvane.cluster.errors import Unavailable
from windvane.cluster.registry import Registration
from windvane.serve_apps.rollout.controller import RolloutController
from windvane.serve_apps.rollout.prefetch import Prefetching
from windvane.serve_apps.traffic.router import Arm, Split


class CountingRegistry(MemoryRegistry):
    """Counts what it was asked to fetch, and may be away, or hang until it is released."""

    def __init__(self, root: Path) -> None:
        super().__init__(root=root)
        self.asked: list[int] = []
        self.away: Exception | None = None
        self.released = threading.Event()
        self.released.set()

    def fetch(self, model: str, number: int, into: Path) -> Path:
        self.asked.append(number)
        self.released.wait(10.0)
        if self.away:
            raise self.away
        return super().fetch(model, number, into)


class Place:
    """A prefetching switchboard; the replicas behind it hold what `World`'s do."""

    def __init__(self, folder: Path) -> None:
        self.registry, self.switchboard = CountingRegistry(root=folder / "registry"), FakeSwitchboard()
        self.cache = folder / "cache"
        bundle = folder / "bundle"
        bundle.mkdir()
        (bundle / "model.onnx").write_bytes(b"x")
        for _ in range(3):
            self.registry.register(Registration("trips", "ops", "r", "candidate", None, None, {}, {}, {}), bundle)

    def prefetching(self, patience_seconds: float = 10.0) -> Prefetching:
        """Control, started anew."""
        return Prefetching(self.switchboard, self.registry, self.cache, patience_seconds)

    def here(self) -> list[str]:
        return sorted(folder.name for folder in (self.cache / "trips").glob("[0-9]*"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.registry.released.set()


def split(revision: int, candidate: int = 2, phase: str = "step") -> Split:
    arms = (Arm("candidate", candidate, 0.1), Arm("champion", 1, 0.9))
    return Split("trips", revision, "salt", arms, shadows=(3,), phase=phase)


def become(true: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    end = time.monotonic() + 10.0
    while not true():
        assert time.monotonic() < end, "it never became true"


def test_every_version_of_a_split_is_here_before_it_is_published(place: Place) -> None:
    prefetching = place.prefetching()
    prefetching.publish(split(1))
    assert place.here() == ["1", "2", "3"]
    assert [each.revision for each in place.switchboard.published] == [1]
    assert prefetching.in_force("trips")["a"].in_force == 1


def test_what_is_here_is_not_asked_for_again(place: Place) -> None:
    prefetching = place.prefetching()
    prefetching.publish(split(1))
    prefetching.publish(split(2))
    assert sorted(place.registry.asked) == [1, 2, 3]


@pytest.mark.parametrize("error", [Unavailable("MLflow does not answer"), OSError("disk full"), KeyError("x")])
def test_a_registry_that_is_away_holds_up_no_split_and_is_asked_again(place: Place, error: Exception) -> None:
    """Control restarted while MLflow was away: the split back to the champion was stored and never published."""
    prefetching = place.prefetching()
    place.registry.away = error
    prefetching.publish(split(1))
    assert place.switchboard.newest.revision == 1
    place.registry.away = None
    prefetching.publish(split(2))
    become(lambda: place.here() == ["1", "2", "3"])
    assert sorted(place.registry.asked) == [1, 1, 2, 2, 3, 3]


def test_a_version_that_is_gone_is_for_the_replicas_to_report(place: Place) -> None:
    place.prefetching().publish(split(1, candidate=9))
    assert place.switchboard.newest.revision == 1


@pytest.mark.parametrize("phase", ["rolled_back", "aborted"])
def test_a_way_back_is_published_before_anything_is_fetched(place: Place, phase: str) -> None:
    """Control restarted on a machine without the bundles, and the registry takes its time."""
    place.registry.released.clear()
    place.prefetching().publish(split(1, phase=phase))
    assert place.switchboard.newest.revision == 1
    assert place.here() == []
    place.registry.released.set()
    become(lambda: place.here() == ["1", "2", "3"])


def test_what_replicas_hold_already_is_published_before_it_is_fetched(place: Place) -> None:
    """The first tick of a control that restarted tells again of the split that is in force, before it judges."""
    place.prefetching().publish(split(1))
    place.registry.released.clear()
    place.prefetching().publish(split(2))
    assert place.switchboard.newest.revision == 2


def test_a_new_version_that_does_not_come_holds_its_split_up_once_and_not_for_long(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.registry.released.clear()
    prefetching = place.prefetching(patience_seconds=0.01)
    prefetching.publish(split(1))
    assert place.switchboard.newest.revision == 1
    place.switchboard.replicas.clear()
    monkeypatch.setattr(
        "windvane.serve_apps.rollout.prefetch.wait", lambda *_: pytest.fail("it waits for what is on its way")
    )
    prefetching.publish(split(2))
    assert place.switchboard.newest.revision == 2
    assert len(place.registry.asked) == 3


def test_where_no_thread_can_be_started_a_split_is_published_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    prefetching = place.prefetching()
    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    prefetching.publish(split(1))
    assert place.switchboard.newest.revision == 1


@pytest.mark.parametrize("verb", ["abort", "tick"])
def test_a_rollback_by_a_control_that_restarted_waits_for_no_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    world = World()
    world.tick()
    candidate = world.retrained()
    world.until("step")
    released = threading.Event()
    monkeypatch.setattr(world.registry, "fetch", lambda *_: released.wait(10.0))
    restarted: Any = Prefetching(world.switchboard, world.registry, tmp_path)
    controller = RolloutController(world.store, world.registry, restarted, world.evidence)
    try:
        if verb == "abort":
            controller.abort(MODEL, world.now, "it is wrong")
        else:
            world.evidence.errors = 500
            controller.tick(MODEL, world.now + timedelta(seconds=1))
        assert world.switchboard.newest.phase in ("aborted", "rolled_back")
        assert candidate not in {arm.version for arm in world.switchboard.newest.arms}
    finally:
        released.set()
