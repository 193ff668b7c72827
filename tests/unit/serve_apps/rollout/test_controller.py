"""The whole rollout in a made-up world: phases, operators, and ticks killed between any two effects."""

from typing import Any

import pytest

from tests.worlds.rollout.world import MODEL, World, deployed
from windvane.cluster.errors import Conflict, Invalid, NotFound
from windvane.cluster.policies.approval import LOOP
from windvane.serve_apps.rollout.starting import StartOrder
from windvane.serve_apps.traffic.router import Arm


def test_a_champion_without_a_split_is_deployed_once() -> None:
    made = deployed()
    made.tick()
    assert [(arm.version, arm.weight) for arm in made.split().arms] == [(1, 1.0)]
    assert made.told() == ["deployed"]
    assert made.split().revision == 1


def test_a_model_without_champion_has_no_split() -> None:
    made = World(champion=None)
    assert made.tick() is None
    assert made.store.get("split", MODEL) is None
    with pytest.raises(Conflict, match="no champion yet"):
        made.controller.start(StartOrder(MODEL, 1, "try"), made.now)


def test_a_retrained_candidate_becomes_champion_without_a_hand() -> None:
    made = deployed()
    candidate = made.retrained()
    weights = []
    for phase, step in (("shadow", 0), ("step", 0), ("step", 1), ("step", 2), ("bake", 0), ("done", 0)):
        made.until(phase, step)
        weights.append(round(made.weight(candidate), 3))
    assert weights == [0.0, 0.1, 0.5, 1.0, 1.0, 1.0]
    assert made.registry.champion(MODEL) == candidate
    assert [version.standing for version in made.registry.versions(MODEL)] == ["retired", "champion"]
    assert made.split().warm == (1,)
    told = made.told()
    assert told.count("promoted") == 1
    assert told.count("phase") == 5  # shadow, three steps, bake
    made.tick(700)
    assert made.split().warm == (1,), "a clock that jumps ends no rollback window"
    for _ in range(9):
        made.tick(60)
    assert made.split().versions() == {candidate}
    assert made.tick() == made.rollout(), "nothing more happens"


def test_what_the_loop_starts_is_known_by_its_name() -> None:
    made = deployed()
    made.retrained()
    made.until("shadow")
    assert made.rollout().started_by == LOOP


def test_the_alias_moves_only_after_the_bake() -> None:
    made = deployed()
    made.retrained()
    made.until("bake")
    assert made.registry.champion(MODEL) == 1


def test_only_the_newest_version_of_a_finished_retraining_is_picked_up() -> None:
    made = deployed()
    made.register("candidate")  # by hand: an operator decides
    made.register("candidate", "0404")  # its request is not known to have succeeded
    assert made.tick() is None
    made.retrained("rejected")
    assert made.tick() is None
    first, newest = made.retrained(), made.retrained()
    assert made.tick() is not None
    assert made.rollout().candidate == newest
    made.evidence.difference = 0.1
    made.until("rolled_back")
    made.tick()
    assert made.rollout().candidate == newest, f"v{first} is superseded, v{newest} was tried"


@pytest.mark.parametrize(("phase", "step"), [("shadow", 0), ("step", 0), ("step", 1), ("step", 2), ("bake", 0)])
def test_a_failure_gives_everything_to_the_champion_within_one_tick(phase: str, step: int) -> None:
    made = deployed()
    candidate = made.retrained()
    made.until(phase, step)
    made.evidence.difference = 0.05
    rollout = made.tick()
    assert rollout is not None
    assert rollout.phase == "rolled_back"
    assert made.switchboard.newest.arms == (Arm("champion", 1, 1.0),)
    assert made.registry.champion(MODEL) == 1
    assert made.registry.version(MODEL, candidate).standing == "rolled_back"
    assert made.told()[-2:] == ["verdict", "rolled_back"]


def test_the_way_back_is_measured_until_the_last_replica() -> None:
    made = deployed()
    made.retrained()
    made.until("step", 1)
    made.switchboard.slow = {"b"}
    made.evidence.difference = 0.05
    made.tick()
    made.tick(0.5)
    assert made.rollout().rolled_back_in_ms is None
    made.switchboard.slow = set()
    made.switchboard.spread()
    made.tick(0.25)
    assert made.rollout().rolled_back_in_ms == pytest.approx(500.0)


def test_a_phase_waits_for_every_replica_to_load() -> None:
    made = deployed()
    candidate = made.retrained()
    made.switchboard.slow = {"b"}
    for _ in range(5):
        made.tick(60)
    verdict = made.rollout().verdict
    assert verdict is not None
    assert verdict.outcome == "NOT_YET"
    assert "loading on 1 of 2 replicas" in verdict.summary
    assert made.weight(candidate) == 0.0
    made.switchboard.slow = set()
    made.switchboard.spread()
    made.until("step")
    made.switchboard.replicas.clear()
    revision = made.rollout().revision
    made.tick(60)
    made.tick(60)
    made.tick(60)
    assert "no replica reports" in str(made.rollout().verdict)
    assert made.rollout().revision == revision + 1, "the step in force went on, the next one waits"


def test_a_version_that_never_loads_is_not_proven_in_time() -> None:
    made = deployed()
    made.retrained()
    made.switchboard.slow = {"a", "b"}
    for _ in range(17):
        made.tick(60)
    assert made.rollout().phase == "unproven"
    assert made.registry.version(MODEL, 2).standing == "unproven"
    assert made.rollout().reason.startswith(
        "not proven in 15 min (tried again once requests come): shadow not yet: loading on 2 of 2 replicas"
    )


def test_what_no_request_proved_is_tried_again_once_requests_come() -> None:
    made = deployed()
    candidate = made.retrained()
    made.evidence.difference, made.evidence.paired_n, made.evidence.decisions = None, 0, 0
    for _ in range(40):
        made.tick(60)
    assert made.rollout().phase == "unproven"
    assert made.told().count("unproven") == 1
    made.evidence.difference, made.evidence.paired_n, made.evidence.decisions = -0.01, 5000, 1000
    made.tick()
    assert (made.rollout().phase, made.rollout().candidate) == ("shadow", candidate)
    assert "tried again, not proven in 15 min" in made.rollout().cause
    made.until("done")


def test_what_twenty_thousand_outcomes_cannot_tell_from_the_champion_is_left() -> None:
    made = deployed()
    candidate = made.retrained()
    made.evidence.difference, made.evidence.paired_n = 0.003, 25_000
    for _ in range(40):
        made.tick(60)
    assert made.rollout().phase == "unproven"
    assert made.told().count("unproven") == 1
    assert "(25,000 outcomes do not tell it from v1: left as it is)" in made.rollout().reason
    made.controller.start(StartOrder(MODEL, candidate, "no override is needed"), made.now)


def test_a_fresher_candidate_supersedes_one_that_is_not_proven() -> None:
    made = deployed()
    first = made.retrained()
    made.evidence.paired_n = 50
    began = made.until("shadow").started_at
    fresher = made.retrained()
    made.tick()
    assert (made.rollout().phase, made.rollout().reason) == (
        "superseded",
        f"v{fresher} is fresher and v{first} is not proven yet",
    )
    assert made.registry.version(MODEL, first).standing == "superseded"
    made.tick()
    made.tick()
    assert (made.rollout().candidate, made.rollout().phase) == (fresher, "shadow")
    assert made.told().count("superseded") == 1
    assert made.rollout().proving_since == began, "the time of both counts"


def test_a_fresher_candidate_waits_for_what_is_proven() -> None:
    made = deployed()
    first = made.retrained()
    made.until("step", 0)
    fresher = made.retrained()
    made.until("bake")
    assert made.rollout().candidate == first
    made.until("shadow")
    assert (made.rollout().candidate, made.rollout().champion) == (fresher, first)
    assert made.told().count("superseded") == 0


@pytest.mark.parametrize("kind", ["rollout", "split"])
def test_a_start_that_meets_a_tick_tells_one_truth(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop ticks five times a second: it may take the new record up before the call that wrote it goes on."""
    made = deployed()
    candidate = made.register("candidate")
    put = made.store.put

    def and_a_tick_comes(of: str, *rest: Any) -> int:
        saved: int = put(of, *rest)
        if of == kind:
            monkeypatch.undo()
            made.controller.tick(MODEL, made.now)
        return saved

    monkeypatch.setattr(made.store, "put", and_a_tick_comes)
    started = made.controller.start(StartOrder(MODEL, candidate, "the demo", by="ada"), made.now)
    assert (started.candidate, started.phase) == (candidate, "shadow")
    assert made.split().shadows == (candidate,)
    assert sum(event.kind == "phase" for event in made.store.events(MODEL)) == 1


def test_silence_of_monitor_or_switchboard_holds() -> None:
    made = deployed()
    made.retrained()
    made.until("step", 0)
    made.evidence.away = True
    made.tick(60)
    made.tick(60)
    assert (made.rollout().phase, made.rollout().step) == ("step", 0)
    assert "the monitor does not answer" in str(made.rollout().verdict)


def test_a_rollback_decided_while_the_switchboard_is_away_reaches_it_later() -> None:
    made = deployed()
    candidate = made.retrained()
    made.until("step", 1)
    made.evidence.difference = 0.05
    made.switchboard.away = True
    made.tick()
    assert made.rollout().phase == "rolled_back"
    assert made.weight(candidate) == 0.0
    made.switchboard.away = False
    made.evidence.difference = -0.01
    made.tick()
    assert all(arm.version != candidate for arm in made.switchboard.newest.arms)


def test_pins_are_scored_in_every_split() -> None:
    made = deployed()
    old = made.register("retired")
    made.controller.pin(MODEL, (old,))
    made.tick()
    assert made.split().shadows == (old,)
    made.retrained()
    for phase, step in (("shadow", 0), ("step", 1), ("bake", 0), ("done", 0)):
        made.until(phase, step)
        assert old in made.split().shadows
    made.controller.pin(MODEL, ())
    made.tick()
    assert made.split().shadows == ()
    with pytest.raises(NotFound):
        made.controller.pin(MODEL, (99,))


def test_pinning_during_a_step_begins_a_new_epoch_of_the_same_step() -> None:
    made = deployed()
    old = made.register("retired")
    made.retrained()
    before = made.until("step", 1)
    made.controller.pin(MODEL, (old,))
    after = made.tick()
    assert after is not None
    assert (after.phase, after.step, after.revision) == ("step", 1, before.revision + 1)
    assert made.evidence.asked[-1] == (after.revision, after.started_at.timestamp())


def test_a_rejected_version_needs_an_override_with_a_reason() -> None:
    made = deployed()
    rejected = made.register("rejected")
    with pytest.raises(Invalid, match="override the gate"):
        made.controller.start(StartOrder(MODEL, rejected, "trying"), made.now)
    with pytest.raises(Invalid, match="needs a reason"):
        made.controller.start(StartOrder(MODEL, rejected, " ", override_gate=True), made.now)
    rollout = made.controller.start(StartOrder(MODEL, rejected, "the demo", by="ada", override_gate=True), made.now)
    assert rollout.overridden == ("ada started it although it is rejected: the demo",)


def test_start_names_what_is_in_the_way() -> None:
    made = deployed()
    with pytest.raises(Invalid, match="champion already"):
        made.controller.start(StartOrder(MODEL, 1, "again"), made.now)
    with pytest.raises(NotFound):
        made.controller.start(StartOrder(MODEL, 9, "what"), made.now)
    made.retrained()
    made.tick()
    with pytest.raises(Conflict, match="is in shadow: abort it"):
        made.controller.start(StartOrder(MODEL, made.register("candidate"), "me first"), made.now)


def test_a_skipped_shadow_still_loads_before_it_answers() -> None:
    made = deployed()
    candidate = made.register("candidate")
    made.switchboard.slow = {"b"}
    made.controller.start(StartOrder(MODEL, candidate, "blue/green", skip_shadow=True), made.now)
    made.tick(60)
    assert made.weight(candidate) == 0.0
    made.switchboard.slow = set()
    made.switchboard.spread()
    made.tick()
    assert made.weight(candidate) == 0.1


def test_pause_resume_promote_abort_undo() -> None:
    made = deployed()
    candidate = made.retrained()
    made.until("step", 0)
    made.controller.pause(MODEL, made.now, by="ada")
    for _ in range(40):
        made.tick(60)
    assert made.weight(candidate) == 0.1
    made.controller.resume(MODEL, made.now, by="ada")
    made.evidence.paired_n = 0
    made.controller.promote(MODEL, made.now, "enough seen", by="ada")
    assert made.weight(candidate) == 1.0
    made.until("done")
    back = made.controller.undo(MODEL, made.now, "customers complain", by="ada")
    assert back.phase == "rolled_back"
    assert made.weight(1) == 1.0
    assert made.registry.champion(MODEL) == 1
    assert made.registry.version(MODEL, 1).standing == "champion"
    made.evidence.paired_n = 5000
    second = made.retrained()
    made.until("step", 0)
    assert made.controller.abort(MODEL, made.now, "wrong day").phase == "aborted"
    assert made.controller.abort(MODEL, made.now, "wrong day").phase == "aborted"
    assert made.weight(second) == 0.0
    assert {"paused", "resumed", "promoted", "rolled_back", "aborted"} <= set(made.told())
    with pytest.raises(NotFound, match="no rollout"):
        made.controller.pause("other", made.now)


def test_the_verdicts_figures_are_stored_now_and_then_not_each_tick() -> None:
    made = deployed()
    made.retrained()
    made.evidence.paired_n = 10
    made.until("shadow")
    for _ in range(4):
        made.tick(0.5)
    saved = made.store.get("rollout", MODEL)
    for _ in range(4):
        made.tick(0.5)
    assert made.store.get("rollout", MODEL) == saved
    made.tick(5)
    assert made.store.get("rollout", MODEL) != saved


def test_a_finished_rollout_is_kept_when_the_next_begins() -> None:
    made = deployed()
    made.retrained()
    made.evidence.difference = 0.1
    first = made.until("rolled_back")
    made.retrained()
    made.tick()
    assert [saved.key for saved in made.store.list("rollout_past", f"{MODEL}/")] == [f"{MODEL}/{first.id}"]


def test_a_clock_that_jumps_forward_passes_no_phase() -> None:
    made = deployed()
    made.retrained()
    made.until("bake")
    seen = made.rollout().stood_seconds
    made.tick(86_400)
    assert made.rollout().phase == "bake"
    assert made.rollout().stood_seconds == seen + 30.0
    for _ in range(4):
        made.tick(30)
    assert made.rollout().phase == "done"


def test_a_controller_that_was_away_goes_on_where_the_phase_stood() -> None:
    made = deployed()
    made.retrained()
    made.until("bake")
    for _ in range(3):
        made.tick(30)
    assert made.rollout().stood_seconds == 90.0
    made.tick(3600)  # away for an hour, which counts as one look
    assert made.rollout().phase == "done"
