"""The machine stops anywhere: what was promised is there and verifies, and no honest crash is called tampering."""

import errno
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.log.crash_world import Story, checked, missing, recover
from tests.worlds.log.decision_log import skip_syncs
from tests.worlds.log.simulated_disk import Moment, SimulatedDisk, Tree, write
from windvane.cluster.decision_log.write import live
from windvane.cluster.decision_log.write.segment import SECTOR_BYTES, Durability

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
        assert simulated.unaccounted() == [], "something was changed past windvane.cluster.decision_log.disk"
    return simulated, begins


def found(moments: Iterable[Moment]) -> list[tuple[Moment, Tree]]:
    """Everything that may be found, each once, with the most that was promised where it is."""
    by_tree: dict[frozenset[tuple[str, bytes]], tuple[Moment, Tree]] = {}
    for moment in moments:
        for tree in (moment.killed(), *moment.after_power_cut()):
            by_tree[frozenset(tree.items())] = moment, tree
    return list(by_tree.values())


def hold(crashes: Iterable[tuple[Moment, Tree]], folder: Path, why: str = "", *, seals: bool = True) -> int:
    """Recover from each crash; returns how many there were."""
    folder.mkdir(exist_ok=True)
    count = 0
    with pytest.MonkeyPatch.context() as patch:
        skip_syncs(patch)
        for count, (moment, tree) in enumerate(crashes, start=1):
            home = write(tree, folder / str(count))
            where = f"stopped before {moment.before}{why}"
            assert checked(home).faults == (), where
            assert recover(home, seals=seals) == [], where
            assert not seals or checked(home).faults == (), where
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


@pytest.mark.parametrize(("durability", "many", "every"), [("committed", 1, 1), ("buffered", 1000, 3)])
def test_whatever_effect_is_refused_once_or_from_then_on_the_same_holds(
    tmp_path: Path, durability: Durability, many: int, every: int
) -> None:
    """A full disk goes on refusing, and is tried at every third effect only: it takes as long as all the others."""
    simulated, _ = told(tmp_path / "home", unsealed, durability=durability)
    for first in range(0, simulated.effects, every):
        simulated, _ = told(tmp_path / str(first), unsealed, durability=durability, refuses=refusing(first, many))
        why = f" when effect {first} had been refused"
        hold(found(simulated.moments), tmp_path / f"after-{first}", why, seals=first % 4 == 0)


def test_no_crash_excuses_what_was_done_to_a_signed_record(tmp_path: Path) -> None:
    """Sectors put to zero, bits flipped and ends cut off, in every state that a power cut leaves of signed segments."""
    simulated, _ = told(tmp_path / "home", unsealed)
    end = simulated.moments[-1]
    name, whole = next((name, content) for name, content in end.killed().items() if name.endswith(".seg"))
    size = len(whole.rstrip(b"\0"))
    (tmp_path / "after").mkdir()
    for count, (_, tree) in enumerate(found([end])):
        home = write(tree, tmp_path / "after" / str(count))
        path = home / name
        assert checked(home).faults == ()
        for place in range(0, size, SECTOR_BYTES):
            for changed in (
                whole[:place] + bytes(min(SECTOR_BYTES, size - place)) + whole[place + SECTOR_BYTES :],
                whole[: place + 7] + bytes((whole[place + 7] ^ 1,)) + whole[place + 8 :],
                whole[:place],
            ):
                path.write_bytes(changed)
                assert checked(home).faults != (), f"{name} was changed at byte {place}"
        path.unlink()
        assert [fault.kind for fault in checked(home).faults] == ["missing"]


@pytest.mark.parametrize("line", [0, -1])
def test_nor_what_was_done_to_a_checkpoint_that_stands_in_the_second_place_too(tmp_path: Path, line: int) -> None:
    simulated, _ = told(tmp_path / "home", unsealed)
    for content in ("", "\0\0}", "changed"):
        home = write(simulated.moments[-1].killed(), tmp_path / "after")
        file = home / "audit" / "checkpoints.jsonl"
        lines = file.read_text().splitlines()
        lines[line] = content
        file.write_text("".join(f"{each}\n" for each in lines if each))
        assert checked(home).faults != ()


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.booleans()), min_size=1, max_size=4),
    st.lists(st.booleans(), max_size=8),
)
def test_a_decision_can_be_read_whoever_met_its_subject_first_and_was_killed_before_its_sync(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[str, bool]], fails: list[bool]
) -> None:
    """`asked`: about whom, and whether another process met the subject a moment ago; `fails`: which syncs do."""
    home, refused = tmp_path_factory.mktemp("home") / "home", list(fails)

    def tell(story: Story) -> None:
        story.asked_by_two(asked)

    def refuse(_: int, what: str) -> OSError | None:
        of_a_file = what.startswith("sync ") and "names" not in what and "keys" not in what
        return OSError(errno.EIO, "Input/output error") if of_a_file and refused and refused.pop(0) else None

    simulated, _ = told(home, tell, refuses=refuse)
    hold(found(simulated.moments), home.with_name("after"), seals=False)
    if not any(fails):
        assert len(simulated.moments[-1].promised.decisions) == len(asked)
