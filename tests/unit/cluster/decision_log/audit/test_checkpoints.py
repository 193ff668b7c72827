"""The file of checkpoints and its copy: what was signed survives a power cut, its file's name included.

What is gone from the file is missed: whatever its size, and where all of it is gone.
"""

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.log.audit_world import KEY, World
from tests.worlds.log.decision_log import skip_syncs
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.auditor import Auditor
from windvane.cluster.decision_log.audit.checkpoint import Witnessed, split_lines, whole_lines
from windvane.cluster.decision_log.audit.checkpoints import Checkpoints
from windvane.cluster.errors import Unavailable


class Remembering:
    """A witness; `is_away` while it does not answer."""

    def __init__(self) -> None:
        self.newest: Witnessed | None = None
        self.is_away = False

    def last(self) -> Witnessed | None:
        if self.is_away:
            raise Unavailable("the store does not answer")
        return self.newest

    def saw(self, newest: Witnessed) -> None:
        if self.is_away:
            raise Unavailable("the store does not answer")
        self.newest = newest


def test_a_checkpoint_and_its_copy_are_synced_with_the_names_of_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(disk, "sync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    monkeypatch.setattr(disk, "sync_folder", lambda folder: synced.append(str(folder)))
    file, copy = tmp_path / "audit" / "checkpoints.jsonl", tmp_path / "elsewhere" / "copy.jsonl"
    checkpoints = Checkpoints(file, KEY, copy)
    synced.clear()  # the folders, as they were made
    checkpoints.append(1.0)
    assert synced == [str(file), str(file.parent), str(tmp_path), str(copy), str(copy.parent)]


@given(content=st.text("ab\n\0").map(str.encode), cuts=st.lists(st.integers(0, 40)))
def test_a_file_in_pieces_has_the_lines_that_it_has_as_a_whole(content: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    pieces = [content[start:end] for start, end in pairwise(places)]
    found = list(split_lines(pieces))
    lines, torn = whole_lines(content)
    assert found == [(line, True) for line in lines] + [(torn, False)] * bool(torn)


def test_a_file_larger_than_what_linux_reads_at_once_is_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 GiB, here 1,000 bytes: the half line there was taken for what a kill leaves, and cut with all that followed."""
    skip_syncs(monkeypatch)
    file = tmp_path / "checkpoints.jsonl"
    before = Checkpoints(file, KEY)
    for number in range(20):
        before.append(float(number))
    size, whole = file.stat().st_size, os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, count, start: whole(descriptor, min(count, 1000), start))
    after = Checkpoints(file, KEY)
    assert (after.standing.number, after.standing.hash) == (20, before.standing.hash)
    assert (after.take_faults(), file.stat().st_size) == ([], size)


def _emptied(content: bytes) -> bytes:
    return b""


def _cut(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:2])


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_emptied, "missing: checkpoint 1: and all to checkpoint 4 are gone: the store remembers the last one"),
        (_cut, "missing: checkpoint 3: and all to checkpoint 4 are gone: the store remembers the last one"),
    ],
)
def test_checkpoints_that_are_gone_are_missed_and_nothing_takes_their_numbers(
    harm: Callable[[bytes], bytes], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emptied, the file verified as whole, and a first checkpoint vouched for whatever was left."""
    skip_syncs(monkeypatch)
    world, witness = World(tmp_path), Remembering()
    world.copy = tmp_path / "none"
    for number in range(1, 5):
        world.fill(1)
        Auditor(world.logs, Checkpoints(world.file, KEY, witness=witness)).tick(float(number))
    assert world.verify(witnessed=witness.newest).faults == ()
    world.file.write_bytes(harm(world.file.read_bytes()))
    assert [str(fault) for fault in world.verify(witnessed=witness.newest).faults] == [told]

    auditor = Auditor(world.logs, Checkpoints(world.file, KEY, witness=witness))
    assert [str(fault) for fault in auditor.check()] == [told]
    world.fill(1)
    made, faults = auditor.tick(9.0)
    assert made is not None
    assert (made.number, faults) == (5, [])
    assert witness.newest is not None
    assert witness.newest.number == 5
    assert [fault.kind for fault in world.verify(witnessed=witness.newest).faults] == ["missing"]


def test_a_checkpoint_that_was_made_anew_is_not_the_one_that_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_syncs(monkeypatch)
    world, witness = World(tmp_path), Remembering()
    Checkpoints(world.file, KEY, witness=witness).append(1.0)
    world.file.unlink()
    Checkpoints(world.file, KEY).append(2.0)
    told = "changed: checkpoint 1: is not the one that the store remembers"
    assert [str(fault) for fault in world.verify(witnessed=witness.newest).faults] == [told]
    assert [str(fault) for fault in Checkpoints(world.file, KEY, witness=witness).take_faults()] == [told]


def test_a_witness_that_is_away_lets_checkpoints_be_signed_and_hears_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between both leaves it behind too: the file has more than it remembers, which is no fault."""
    skip_syncs(monkeypatch)
    file, witness = tmp_path / "checkpoints.jsonl", Remembering()
    checkpoints = Checkpoints(file, KEY, witness=witness)
    checkpoints.append(1.0)
    witness.is_away = True
    checkpoints.append(2.0)
    witness.is_away = False
    assert witness.newest is not None
    assert witness.newest.number == 1
    again = Checkpoints(file, KEY, witness=witness)
    assert again.take_faults() == []
    again.append(3.0)
    assert witness.newest.number == 3
    witness.is_away = True
    with pytest.raises(Unavailable):
        Checkpoints(file, KEY, witness=witness)
