"""The file of checkpoints and its copy: what was signed survives a power cut, its file's name included."""

import os
from pathlib import Path

import pytest

from tests.worlds.log.audit_world import KEY
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.checkpoints import Checkpoints


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
