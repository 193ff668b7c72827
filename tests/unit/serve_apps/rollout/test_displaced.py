"""Replicas that go by a split which the store does not have: told of, and overtaken, also on the way back."""

from dataclasses import replace

import pytest

from tests.worlds.rollout.world import MODEL, World
from windvane.serve_apps.traffic.router import Arm, Split


def deployed() -> World:
    made = World()
    made.tick()
    return made


def displace(made: World, revision: int) -> None:
    """As when the store is restored from a backup under a Switchboard that lives on."""
    arms = (Arm("champion", 1, 0.5), Arm("candidate", max(made.split().versions()), 0.5))
    other = Split(MODEL, revision, "another salt", arms, reason="of the time after the backup")
    made.switchboard.published.append(other)
    made.switchboard.spread()


@pytest.mark.parametrize("revision", [1, 50])
def test_a_champion_s_split_is_published_anew_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture, revision: int
) -> None:
    made = deployed()
    displace(made, revision)
    for _ in range(3):
        made.tick()
    assert made.split().revision == revision + 1
    assert made.switchboard.newest == made.split()
    assert caplog.text.count("restored from a backup?") == 1
    assert f"Split 1 of {MODEL} is stored and not published" in caplog.text
    assert made.told() == ["deployed"]


@pytest.mark.parametrize("phase", ["shadow", "step", "bake"])
def test_a_running_rollout_goes_on_in_an_epoch_of_its_own(phase: str, caplog: pytest.LogCaptureFixture) -> None:
    made = deployed()
    candidate = made.retrained()
    made.until(phase)
    before = made.rollout()
    displace(made, 50)
    made.tick()
    assert (made.rollout().phase, made.rollout().revision, made.split().revision) == (phase, 51, 51)
    assert replace(made.switchboard.newest, reason="") == replace(made.split(), reason="")
    assert made.rollout().entered_at == before.entered_at
    assert "restored from a backup?" in caplog.text
    made.until("done")
    assert made.registry.champion(MODEL) == candidate


@pytest.mark.parametrize("verb", ["abort", "verdict"])
@pytest.mark.parametrize("ahead", [0, 1, 40])
def test_a_way_back_reaches_replicas_that_are_ahead_of_the_store(verb: str, ahead: int) -> None:
    made = deployed()
    made.retrained()
    made.until("step")
    displace(made, made.split().revision + ahead)
    if verb == "abort":
        made.controller.abort(MODEL, made.now, "it is wrong")
    else:
        made.evidence.errors = 500
        made.tick()
    assert made.switchboard.newest == made.split()
    assert {arm.version for arm in made.split().arms} == {1}
    made.tick()
    assert not made.rollout().active
    assert made.rollout().in_force_at is not None


def test_a_switchboard_that_does_not_answer_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    made = deployed()
    controller = made.controller
    made.switchboard.away = True
    for _ in range(3):
        controller.tick(MODEL, made.now)
    assert caplog.text.count("the switchboard is restarting") == 1
    made.switchboard.away = False
    controller.tick(MODEL, made.now)
    made.switchboard.away = True
    controller.tick(MODEL, made.now)
    assert caplog.text.count("the switchboard is restarting") == 2
