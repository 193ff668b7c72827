"""Logs to tamper with, and where the faults are that verification names."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.log.audit_world import LOG, World
from tests.worlds.log.decision_log import skip_syncs
from windvane.cluster.decision_log.audit.chain_heads import sealed_names
from windvane.cluster.decision_log.audit.checkpoint import opened_at
from windvane.cluster.decision_log.audit.fault import Fault
from windvane.cluster.decision_log.write.segment import live_names


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here cuts the power."""
    skip_syncs(monkeypatch)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A live and a sealed log with checkpoints, to be copied and tampered with."""
    patch = pytest.MonkeyPatch()
    skip_syncs(patch)
    homes = {kind: tmp_path_factory.mktemp(kind) for kind in ("live", "sealed")}
    for kind, home in homes.items():
        world = World(home)
        world.fill()
        world.checkpoint()
        if kind == "sealed":
            world.seal()
            world.checkpoint()
    patch.undo()
    return homes


def copied(home: Path, to: Path) -> World:
    shutil.copytree(home, to, dirs_exist_ok=True)
    return World(to)


def names(world: World) -> list[str]:
    return sorted({*live_names(world.root), *sealed_names(world.root)}, key=opened_at)


def placed(faults: tuple[Fault, ...], name: str) -> list[Fault]:
    return [fault for fault in faults if fault.place == f"{LOG}/{name}"]


def remove_row(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rows[0], rows[2]]
