"""The machine stops anywhere: what was promised is there and verifies, and no honest crash is called tampering."""

import errno
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from cluster.decision_log import live
from cluster.decision_log.segment import Durability
from tests.crash_world import Story, checked, missing, recover
from tests.decision_log import skip_syncs
from tests.simulated_disk import Moment, SimulatedDisk, Tree, write

Tell = Callable[[Story], None]
Refuses = Callable[[int, str], OSError | None]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of warnings are what is expected here; segments reserve less, which makes them quicker to copy."""
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(live, "RESERVED_BYTES", 4096)


def decisions(story: Story) -> None:
    story.decisions()


def unsealed(story: Story) -> None:
    story.decisions(seals=False)


def acts_and_documents(story: Story) -> None:
    story.acts()
    story.documents()


def later(story: Story) -> None:
    story.retirement()
    story.rotation()


def told(
    home: Path, *tells: Tell, durability: Durability = "committed", refuses: Refuses | None = None
) -> tuple[SimulatedDisk, list[int]]:
    """The stories one after another, and how many effects came before each; where some are refused none is watched."""
    home.mkdir(exist_ok=True)
    begins: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        story = Story(home, durability)
        simulated = SimulatedDisk(home, patch, story.told)
        if refuses is not None:
            simulated.fails, simulated.is_watched = refuses, False
        for tell in tells:
            begins.append(simulated.effects)
            tell(story)
        simulated.fails = lambda *_: None
        simulated.moments.append(simulated.stop())
        assert simulated.unaccounted() == [], "something was changed past cluster.decision_log.disk"
    return simulated, begins


def found(moments: Iterable[Moment]) -> list[tuple[Moment, Tree]]:
    """Everything that may be found, each once, with the most that was promised where it is."""
    by_tree: dict[frozenset[tuple[str, bytes]], tuple[Moment, Tree]] = {}
    for moment in moments:
        for tree in (moment.killed(), *moment.after_power_cut()):
            by_tree[frozenset(tree.items())] = moment, tree
    return list(by_tree.values())


def hold(crashes: Iterable[tuple[Moment, Tree]], folder: Path, why: str = "") -> int:
    """Recover from each crash; returns how many there were."""
    folder.mkdir(exist_ok=True)
    count = 0
    with pytest.MonkeyPatch.context() as patch:
        skip_syncs(patch)
        for count, (moment, tree) in enumerate(crashes, start=1):
            home = write(tree, folder / str(count))
            where = f"stopped before {moment.before}{why}"
            assert checked(home).faults == (), where
            assert recover(home) == [], where
            assert checked(home).faults == (), where
            assert missing(home, moment.promised) == [], where
    return count


@pytest.mark.parametrize(
    ("tells", "durability", "least"),
    [
        ((decisions,), "committed", 100),
        ((unsealed,), "buffered", 80),
        ((acts_and_documents,), "committed", 25),
        ((decisions, later), "committed", 15),
    ],
    ids=["committed", "buffered", "acts and store", "retention and rotation"],
)
def test_wherever_the_machine_stops_what_was_promised_is_there_and_nothing_is_called_tampering(
    tmp_path: Path, tells: tuple[Tell, ...], durability: Durability, least: int
) -> None:
    simulated, begins = told(tmp_path / "home", *tells, durability=durability)
    assert hold(found(simulated.moments[begins[-1] :]), tmp_path / "after") >= least


ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EMFILE)


def refusing(first: int, many: int) -> Refuses:
    """That effect, and as many as follow."""
    number = ERRORS[first % len(ERRORS)]
    return lambda place, _: OSError(number, os.strerror(number)) if first <= place < first + many else None


@pytest.mark.parametrize(("durability", "many"), [("committed", 1), ("buffered", 1000)])
def test_whatever_effect_is_refused_once_or_from_then_on_the_same_holds(
    tmp_path: Path, durability: Durability, many: int
) -> None:
    simulated, _ = told(tmp_path / "home", unsealed, durability=durability)
    for first in range(simulated.effects):
        simulated, _ = told(tmp_path / str(first), unsealed, durability=durability, refuses=refusing(first, many))
        hold(found(simulated.moments), tmp_path / f"after-{first}", f" when effect {first} had been refused")
