"""A rejection ends a rollout that waits for a second person, even if its call was killed."""

from contextlib import suppress

import pytest

from tests.worlds.rollout.approvals import approve, started, world
from tests.worlds.rollout.world import MODEL, Killed
from windvane.cluster.errors import Invalid
from windvane.serve_apps.rollout.starting import StartOrder


def test_abort_and_undo_need_nobody_else() -> None:
    made = world()
    started(made)
    assert made.controller.abort(MODEL, made.now, "wrong day", "ada").phase == "aborted"
    candidate = started(made)
    approve(made, candidate)
    made.until("done")
    assert made.controller.undo(MODEL, made.now, "complaints", "ada").phase == "rolled_back"


@pytest.mark.parametrize("by", ["ada", "bob"])
def test_a_rejection_ends_it(by: str) -> None:
    made = world()
    candidate = started(made)
    approve(made, candidate)
    rollout = made.controller.reject(MODEL, candidate, made.now, "biased", by)
    assert (rollout.phase, rollout.reason) == ("aborted", f"{by} rejected it: biased")
    assert made.registry.version(MODEL, candidate).standing == "rejected"
    assert made.told()[-2:] == ["rejected", "aborted"]
    assert made.controller.reject(MODEL, candidate, made.now, "biased", by) == rollout
    with pytest.raises(Invalid, match="override the gate"):
        made.controller.start(StartOrder(MODEL, candidate, "but", "ada"), made.now)


def test_the_next_tick_heeds_a_rejection_whose_call_was_killed_once_it_is_on_record() -> None:
    left_in: set[tuple[str, bool]] = set()
    for effects in range(1, 15):
        made = world()
        candidate = started(made)
        made.tick()
        made.killer.at = made.killer.effects + effects
        with suppress(Killed):
            made.controller.reject(MODEL, candidate, made.now, "biased", "bob")
        made.killer.at = None
        heard = made.rollout().gate.rejection is not None
        left_in.add((made.rollout().phase, heard))
        made.tick()
        assert (made.rollout().reason == "bob rejected it: biased") == heard
        assert made.told().count("rejected") == made.told().count("aborted") == int(heard)
    assert left_in == {("shadow", False), ("shadow", True), ("aborted", True)}
