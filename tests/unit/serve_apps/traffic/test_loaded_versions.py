import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.worlds.gateway.world import canary, champion, settled
from windvane.cluster.errors import Unavailable
from windvane.serve_apps.traffic.loaded_versions import LoadedReport, LoadedVersions
from windvane.serve_apps.traffic.router import Arm, Split


class Library:
    """Loads anything, when it is let."""

    def __init__(self) -> None:
        self.loads: list[int] = []
        self.failures: dict[int, int] = {}  # version → how often it still fails
        self.held_back: dict[int, threading.Event] = {}

    def __call__(self, number: int) -> Any:
        self.loads.append(number)
        if number in self.held_back:
            assert self.held_back[number].wait(10)
        if self.failures.get(number, 0) > 0:
            self.failures[number] -= 1
            raise Unavailable(f"version {number} cannot be fetched")
        return f"v{number}"


def play(
    scenario: Callable[[LoadedVersions, Library], Coroutine[Any, Any, None]],
    changed: Callable[[LoadedVersions], None] = lambda _: None,
) -> None:
    async def act() -> None:
        library = Library()
        loaded_versions = LoadedVersions(library, retry_seconds=0.0, changed=lambda: changed(loaded_versions))
        try:
            await scenario(loaded_versions, library)
        finally:
            for held in library.held_back.values():
                held.set()
            await loaded_versions.close()

    asyncio.run(act())


def in_force(loaded_versions: LoadedVersions, revision: int) -> Callable[[], bool]:
    return lambda: loaded_versions.in_force is not None and loaded_versions.in_force.split.revision == revision


def test_a_split_is_in_force_once_everything_it_names_is_loaded() -> None:
    async def scenario(loaded_versions: LoadedVersions, library: Library) -> None:
        assert loaded_versions.report() == LoadedReport(0, ())
        split = canary(shadows=(3,), warm=(4,))
        loaded_versions.take(split)
        assert loaded_versions.in_force is None
        await settled(in_force(loaded_versions, 2))
        assert sorted(library.loads) == [1, 2, 3, 4]
        assert loaded_versions.report() == LoadedReport(2, (1, 2, 3, 4), "", 2, split.routing())
        assert loaded_versions.in_force is not None
        assert dict(loaded_versions.in_force.versions) == {1: "v1", 2: "v2", 3: "v3", 4: "v4"}

    play(scenario)


def test_the_old_split_answers_while_the_new_one_loads_and_its_versions_leave_after() -> None:
    async def scenario(loaded_versions: LoadedVersions, library: Library) -> None:
        loaded_versions.take(champion())
        await settled(in_force(loaded_versions, 1))
        library.held_back[2] = threading.Event()
        loaded_versions.take(champion(revision=2, version=2))
        await settled(lambda: 2 in library.loads)
        assert in_force(loaded_versions, 1)()
        known = champion(revision=2, version=2)
        assert loaded_versions.report() == LoadedReport(1, (1,), "", 2, known.routing())
        library.held_back[2].set()
        await settled(in_force(loaded_versions, 2))
        assert loaded_versions.report() == LoadedReport(2, (2,), "", 2, known.routing())

    play(scenario)


def test_a_rollback_never_waits_behind_a_load() -> None:
    async def scenario(loaded_versions: LoadedVersions, library: Library) -> None:
        loaded_versions.take(champion())
        await settled(in_force(loaded_versions, 1))
        library.held_back[2] = threading.Event()
        loaded_versions.take(canary(revision=2))
        await settled(lambda: 2 in library.loads)
        loaded_versions.take(champion(revision=3))
        assert in_force(loaded_versions, 3)()  # in the same step
        library.held_back[2].set()
        await settled(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        assert in_force(loaded_versions, 3)()
        assert loaded_versions.report().loaded == (1,)

    play(scenario)


def test_an_older_or_known_split_changes_nothing() -> None:
    async def scenario(loaded_versions: LoadedVersions, library: Library) -> None:
        loaded_versions.take(champion(revision=5))
        await settled(in_force(loaded_versions, 5))
        for revision in (4, 5):
            loaded_versions.take(champion(revision=revision, salt="another"))
            assert loaded_versions.in_force is not None
            assert loaded_versions.in_force.split == champion(revision=5)
        assert library.loads == [1]

    play(scenario)


def test_a_version_that_cannot_be_loaded_is_reported_and_tried_again() -> None:
    troubles: list[str] = []

    async def scenario(loaded_versions: LoadedVersions, library: Library) -> None:
        loaded_versions.take(champion())
        await settled(in_force(loaded_versions, 1))
        library.failures[2] = 2
        loaded_versions.take(canary())
        await settled(in_force(loaded_versions, 2))
        assert "version 2 cannot be fetched" in troubles
        assert loaded_versions.report() == LoadedReport(2, (1, 2), "", 2, canary().routing())
        assert library.loads == [1, 2, 2, 2]

    play(scenario, changed=lambda loaded_versions: troubles.append(loaded_versions.report().trouble))


def test_a_split_that_comes_while_its_version_is_being_loaded_waits_for_that_load() -> None:
    async def scenario(loaded_versions: LoadedVersions, library: Library) -> None:
        library.held_back[1] = threading.Event()
        loaded_versions.take(champion(revision=1))
        await settled(lambda: library.loads == [1])
        loaded_versions.take(champion(revision=2))
        library.held_back[1].set()
        await settled(in_force(loaded_versions, 2))
        assert library.loads == [1]

    play(scenario)


def test_starting_waits_for_the_first_split_or_says_why_not() -> None:
    async def scenario(loaded_versions: LoadedVersions, library: Library) -> None:
        await loaded_versions.settled()
        library.failures[1] = 1
        loaded_versions.take(champion())
        with pytest.raises(Unavailable, match="version 1 cannot be fetched"):
            await loaded_versions.settled()
        await loaded_versions.settled()
        assert in_force(loaded_versions, 1)()

    play(scenario)


@pytest.mark.parametrize(
    ("arms", "shadows", "warm", "failed", "expected"),
    [
        ((Arm("candidate", 2, 0.1), Arm("champion", 1, 0.9)), (2, 1), (), 2, 1),
        ((Arm("candidate", 2, 1.0),), (1,), (1,), 2, 1),
        ((Arm("champion", 2, 1.0),), (7,), (1,), 2, 1),
        ((Arm("champion", 1, 1.0),), (7,), (), 1, 7),
        ((Arm("champion", 1, 1.0),), (), (), 1, None),
    ],
)
def test_the_champion_stands_in_or_whoever_was_champion_before(
    arms: tuple[Arm, ...], shadows: tuple[int, ...], warm: tuple[int, ...], failed: int, expected: int | None
) -> None:
    async def scenario(loaded_versions: LoadedVersions, library: Library) -> None:
        loaded_versions.take(Split("trips", 1, "salt", arms, shadows, warm))
        await settled(in_force(loaded_versions, 1))
        assert loaded_versions.in_force is not None
        assert loaded_versions.in_force.fallback(failed) == expected

    play(scenario)
