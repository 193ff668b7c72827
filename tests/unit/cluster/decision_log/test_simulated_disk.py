"""The simulated disk forgets, reorders, tears and refuses as it says: else what holds on it holds nothing."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worlds.log.simulated_disk import FOLDER, Content, SimulatedDisk, Tree
from windvane.cluster.decision_log import disk


@pytest.fixture
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimulatedDisk:
    return SimulatedDisk(tmp_path, monkeypatch)


def found(simulated: SimulatedDisk) -> list[Tree]:
    trees: list[Tree] = []
    for tree in simulated.stop().after_power_cut():
        if tree not in trees:
            trees.append(tree)
    return sorted(trees, key=lambda tree: (sorted(tree), list(tree.values())))


def test_what_was_written_and_synced_is_there_once_its_name_is_synced_too(
    simulated: SimulatedDisk, tmp_path: Path
) -> None:
    disk.write_file(tmp_path / "a", b"whole")
    assert found(simulated) == [{}, {"a": b"whole"}]
    disk.sync_folder(tmp_path)
    assert found(simulated) == [{"a": b"whole"}]


def test_names_are_lost_and_kept_in_any_order(simulated: SimulatedDisk, tmp_path: Path) -> None:
    for name in "ab":
        disk.write_file(tmp_path / name, name.encode())
    disk.sync_folder(tmp_path)
    disk.rename(tmp_path / "a", tmp_path / "c")
    disk.remove(tmp_path / "b")
    assert found(simulated) == [{"a": b"a"}, {"a": b"a", "b": b"b"}, {"b": b"b", "c": b"a"}, {"c": b"a"}]


def test_what_is_in_a_folder_goes_with_it(simulated: SimulatedDisk, tmp_path: Path) -> None:
    disk.make_one_folder(tmp_path / "new")
    disk.write_file(tmp_path / "new" / "a", b"")
    disk.sync_folder(tmp_path / "new")
    assert found(simulated) == [{}, {"new": FOLDER, "new/a": b""}]


def test_a_file_that_is_written_is_torn_at_sectors() -> None:
    written = Content(b"", b"x" * 1536, (), ((0, 1536),))
    assert set(written.after_power_cut()) == {
        b"",
        b"x" * 1536,
        b"x" * 1024 + bytes(512),
        bytes(1024) + b"x" * 512,
        b"x" * 512 + bytes(512) + b"x" * 512,
        b"x" * 769,
    }


def test_what_a_sync_that_failed_was_to_keep_may_be_lost_though_the_next_one_goes_well(
    simulated: SimulatedDisk, tmp_path: Path
) -> None:
    descriptor = disk.open_file(tmp_path / "a", os.O_WRONLY, 0o600)
    disk.sync_folder(tmp_path)
    disk.write_whole(descriptor, b"lost")
    simulated.fails = lambda *_: OSError(errno.EIO, "Input/output error")
    with pytest.raises(OSError, match="Input/output"):
        disk.sync(descriptor)
    simulated.fails = lambda *_: None
    disk.write_whole(descriptor, b" kept")
    disk.sync(descriptor)
    assert found(simulated) == [{"a": b"\0\0\0\0 kept"}, {"a": b"lost kept"}]  # it may have been written all the same
    assert (tmp_path / "a").read_bytes() == b"lost kept"
    os.close(descriptor)


def test_a_write_that_is_refused_is_half_done_and_other_effects_are_not(
    simulated: SimulatedDisk, tmp_path: Path
) -> None:
    disk.write_file(tmp_path / "a", b"a")
    descriptor = os.open(tmp_path / "a", os.O_WRONLY)
    simulated.fails = lambda *_: OSError(errno.ENOSPC, "No space left on device")
    effects: tuple[Callable[[], None], ...] = (
        lambda: disk.write_whole(descriptor, b"1234"),
        lambda: disk.cut(descriptor, 0),
        lambda: disk.remove(tmp_path / "a"),
        lambda: disk.rename(tmp_path / "a", tmp_path / "b"),
        lambda: disk.make_one_folder(tmp_path / "b"),
    )
    for effect in effects:
        with pytest.raises(OSError, match="No space"):
            effect()
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"12"}
    os.close(descriptor)


def test_what_is_changed_past_it_is_found_out(simulated: SimulatedDisk, tmp_path: Path) -> None:
    disk.write_file(tmp_path / "a", b"a")
    assert simulated.unaccounted() == []
    (tmp_path / "a").write_bytes(b"b")
    (tmp_path / "c").touch()
    assert simulated.unaccounted() == ["a", "c"]
