"""The ports in memory, beyond what the contract suites ask of stores and registries."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.worlds.registry_contract import FIRST
from windvane.backtest.memory import InstantSwitchboard, MemoryRegistry, MemoryStore
from windvane.cluster.errors import NotFound
from windvane.serve_apps.rollout.ports import Displaced
from windvane.serve_apps.traffic.router import Arm, Split

SPLIT = Split("loans", 3, "salt", (Arm("champion", 1, 1.0),))


def test_everything_is_stamped_with_the_owners_time() -> None:
    store, registry, board = MemoryStore(lambda: 60.0), MemoryRegistry(lambda: 60.0), InstantSwitchboard(lambda: 60.0)
    store.put("split", "loans", b"{}", 0)
    board.publish(SPLIT)
    saved = store.get("split", "loans")
    assert saved is not None
    assert saved.updated_at.timestamp() == 60.0
    assert registry.register(replace(FIRST, model="loans"), Path()).created_at.timestamp() == 60.0
    assert board.in_force("loans")["replay"].seen_at == 60.0


def test_a_registry_without_a_root_has_versions_and_no_bundles(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.register(replace(FIRST, model="loans"), Path())
    with pytest.raises(NotFound, match="Nobody keeps the bundle of loans 1"):
        registry.fetch("loans", 1, tmp_path)


def test_why_a_version_stands_as_it_does_is_kept() -> None:
    registry = MemoryRegistry()
    registry.register(replace(FIRST, model="loans"), Path())
    registry.set_standing("loans", 1, "retired", "version 2 took over")
    assert registry.reasons == {("loans", 1): "version 2 took over"}


def test_a_split_is_in_force_at_once_for_its_model_alone() -> None:
    board = InstantSwitchboard(lambda: 0.0)
    assert board.in_force("loans") == {}
    board.publish(SPLIT)
    assert (board.split, board.in_force("loans")["replay"].in_force) == (SPLIT, 3)
    assert board.in_force("other") == {}


def test_the_same_split_again_changes_nothing_and_another_of_its_revision_is_displaced() -> None:
    board = InstantSwitchboard(lambda: 0.0)
    board.publish(SPLIT)
    board.publish(SPLIT)
    for split in (replace(SPLIT, salt="other"), replace(SPLIT, revision=2)):
        with pytest.raises(Displaced) as raised:
            board.publish(split)
        assert raised.value.revision == 3
    board.publish(replace(SPLIT, revision=4))
    assert board.split is not None
    assert board.split.revision == 4
