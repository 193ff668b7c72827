"""An operator's hand on a rollout, on the record under the operator's name."""

from datetime import timedelta

import pytest

from tests.worlds.admin.world import AdminWorld
from tests.worlds.rollout.world import MODEL, SPEC
from windvane.cluster.errors import Forbidden, NotFound


@pytest.mark.parametrize(("verb", "phase"), [("abort", "aborted"), ("promote", "bake")])
def test_an_operators_hand_is_on_the_record(world: AdminWorld, verb: str, phase: str) -> None:
    world.start_rollout()
    world.tick()  # promoting waits until every replica has loaded it
    found = world.rollout_admin.steer(MODEL, verb, "I know better", "owner")  # type: ignore[arg-type]
    assert (found["phase"], "I know better" in found["reason"]) == (phase, True)
    assert "owner" in world.store.events(MODEL)[-1].detail


def test_a_promotion_can_be_undone_and_pauses_held(world: AdminWorld) -> None:
    world.start_rollout()
    assert world.rollout_admin.steer(MODEL, "pause", "lunch", "owner")["paused"]
    assert not world.rollout_admin.steer(MODEL, "resume", "back", "owner")["paused"]
    world.until("done")
    world.now += timedelta(seconds=5)
    assert world.rollout_admin.steer(MODEL, "undo", "complaints", "owner")["phase"] == "rolled_back"
    assert world.registry.champion(MODEL) == 1


def test_the_status_says_whom_a_rollout_waits_for_and_then_who_approved(world: AdminWorld) -> None:
    declaration = SPEC.model_dump(mode="json")
    gated = declaration | {"rollout": {**declaration["rollout"], "approval": "required"}}
    world.model_admin.deploy(MODEL, gated, "owner")
    candidate = world.register("candidate")
    begun = world.rollout_admin.start(MODEL, candidate, "try it", "ada", skip_shadow=False, override_gate=False)[
        "approval"
    ]
    assert begun is not None
    assert begun == {
        "requester": "ada",
        "plan": begun["plan"],
        "waits": "waits for approval by somebody other than ada",
        "approval": None,
        "rejection": None,
    }
    with pytest.raises(Forbidden, match="let somebody else approve it"):
        world.rollout_admin.approve(MODEL, candidate, None, "mine", "ada")
    found = world.rollout_admin.approve(MODEL, candidate, begun["plan"], "read it", "bob")["approval"]
    assert found is not None
    assert (found["waits"], found["approval"]) == (
        None,
        {"by": "bob", "at": world.now.isoformat(), "reason": "read it"},
    )
    assert world.rollout_admin.reject(MODEL, candidate, None, "a bug", "carol")["phase"] == "aborted"


def test_a_model_without_a_rollout_says_how_one_begins(world: AdminWorld) -> None:
    with pytest.raises(NotFound, match=f"`windvane rollout start {MODEL} --version N` begins one"):
        world.rollout_admin.status(MODEL)
    with pytest.raises(NotFound, match="No model 'trips' is deployed"):
        world.rollout_admin.status("trips")


def test_pinned_versions_are_scored_as_shadows_from_the_next_tick_on(world: AdminWorld) -> None:
    pinned = world.register("candidate")
    assert world.rollout_admin.pin(MODEL, (pinned,)) == {"model": MODEL, "pins": [pinned]}
    world.tick()
    assert world.split().shadows == (pinned,)
