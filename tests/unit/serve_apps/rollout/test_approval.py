"""`approval: required`: nothing leaves the shadow before a second person said so, however well it is proven."""

import msgspec
import pytest

from tests.worlds.rollout.approvals import approve, started, world
from tests.worlds.rollout.world import MODEL, World
from windvane.cluster.errors import Conflict, Forbidden
from windvane.cluster.policies.approval import LOOP
from windvane.configs.schema import Plan
from windvane.serve_apps.rollout.approval import APPROVAL, plan_digest
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.starting import StartOrder

WAITS = "waits for approval by somebody other than ada"


def waited(made: World, ticks: int = 5) -> Rollout:
    for _ in range(ticks):
        made.tick(60)
    return made.rollout()


def test_a_proven_candidate_waits_in_the_shadow_for_a_second_person() -> None:
    made = world()
    candidate = started(made)
    rollout = waited(made)
    assert rollout.verdict is not None
    assert (rollout.phase, rollout.verdict.outcome) == ("shadow", "NOT_YET")
    assert rollout.verdict.summary == f"shadow not yet: {WAITS}"
    assert approve(made, candidate).phase == "shadow", "the next look lets it go on"
    made.tick(1)
    assert (made.weight(candidate), made.rollout().reason) == (0.1, "shadow passed, bob approved")
    made.until("done")


def test_an_approval_given_early_waits_for_the_proof() -> None:
    made = world()
    candidate = started(made)
    made.evidence.paired_n = 10
    approve(made, candidate)
    rollout = waited(made)
    assert rollout.phase == "shadow"
    assert rollout.verdict is not None
    assert rollout.verdict.guardrails[-1].sentence == "approved by bob: read the report"
    made.evidence.paired_n = 5000
    assert waited(made, 1).phase == "step"


def test_each_word_is_an_event_with_who_and_for_what() -> None:
    made = world()
    candidate = started(made)
    approve(made, candidate)
    approve(made, candidate)
    requested, approved = (
        event for event in made.store.events(MODEL) if event.kind in ("approval_requested", "approved")
    )
    assert requested.detail == f"v2 {WAITS}: `windvane rollout approve {MODEL} --version 2`"
    digest = plan_digest(made.rollout())
    assert approved.detail == f"bob approved v2, which ada asked for, by plan {digest[:12]}: read the report"
    assert (approved.version, approved.facts["by"], approved.facts["requester"], approved.facts["plan"]) == (
        candidate,
        "bob",
        "ada",
        digest,
    )
    given = made.rollout().gate.approval
    assert given is not None
    assert (given.by, given.at, given.change.what, given.change.digest) == ("bob", made.now, f"v2 of {MODEL}", digest)


def test_who_started_it_may_not_approve_it() -> None:
    made = world()
    candidate = started(made)
    with pytest.raises(Forbidden, match=f"'Ada' asked for v2 of {MODEL}.*let somebody else"):
        approve(made, candidate, "Ada")
    assert waited(made).phase == "shadow"


def test_who_asked_for_the_retraining_may_not_approve_what_came_of_it() -> None:
    made = world()
    candidate = made.retrained(by="ada")
    made.tick()
    with pytest.raises(Forbidden):
        approve(made, candidate, "ada")
    approve(made, candidate, "bob")
    made.until("step")


def test_anybody_may_approve_what_the_loop_began() -> None:
    made = world()
    candidate = made.retrained()
    made.tick()
    assert made.rollout().gate.requester == LOOP
    with pytest.raises(Forbidden, match="use a key of your own"):
        approve(made, candidate, LOOP)
    approve(made, candidate, "ada")
    made.until("step")


def test_a_promotion_by_hand_does_not_go_around_it() -> None:
    made = world()
    candidate = started(made)
    made.tick()
    for by in ("ada", "bob"):
        with pytest.raises(Conflict, match=f"v2 {WAITS}: a promotion by hand needs that too"):
            made.controller.promote(MODEL, made.now, "now", by)
    approve(made, candidate)
    assert made.controller.promote(MODEL, made.now, "now", "ada").phase == "bake"


@pytest.mark.parametrize(("shadow", "skip"), [(True, True), (False, False)])
def test_a_skipped_shadow_waits_before_the_first_step(shadow: bool, skip: bool) -> None:
    made = world(shadow=shadow)
    candidate = started(made, skip_shadow=skip)
    rollout = waited(made)
    assert rollout.verdict is not None
    assert (made.weight(candidate), rollout.verdict.summary) == (0.0, f"shadow not yet: {WAITS}")
    approve(made, candidate)
    made.tick()
    assert made.weight(candidate) == 0.1


def test_a_person_who_sleeps_does_not_fail_what_is_proven() -> None:
    made = world()
    candidate = started(made)
    assert waited(made, 100).phase == "shadow", "100 min, where max_phase is 15"
    made.evidence.away = True  # a monitor that restarts does not fail it either
    assert waited(made, 2).phase == "shadow"
    approve(made, candidate)
    assert waited(made, 14).phase == "shadow", "max_phase counts anew from the approval"
    made.evidence.away = False
    assert waited(made, 1).phase == "step"


def test_what_is_not_proven_in_time_goes_back_whoever_approved() -> None:
    for approved in (True, False):
        made = world()
        candidate = started(made)
        made.evidence.paired_n = 10
        if approved:
            approve(made, candidate)
        waited(made, 17)
        ended = [event for event in made.store.events(MODEL) if event.kind == "unproven"]
        assert ["not proven in 15 min (tried again once requests come): " in event.detail for event in ended] == [True]


def test_after_an_approval_that_was_waited_for_the_proof_still_has_an_end() -> None:
    made = world()
    candidate = started(made)
    waited(made, 30)
    made.evidence.paired_n = 10
    waited(made, 30)
    approve(made, candidate)
    waited(made, 17)
    assert made.told().count("unproven") == 1


def test_a_failure_takes_back_what_waits_and_what_is_approved() -> None:
    for approved in (True, False):
        made = world()
        candidate = started(made)
        waited(made)
        if approved:
            approve(made, candidate)
        made.evidence.difference = 0.05
        assert waited(made, 1).phase == "rolled_back"


def test_the_same_version_in_another_rollout_is_approved_anew() -> None:
    made = world()
    candidate = started(made)
    approve(made, candidate)
    made.controller.abort(MODEL, made.now, "wrong day", "bob")
    made.controller.start(StartOrder(MODEL, candidate, "again", "bob", override_gate=True), made.now)
    assert made.rollout().gate.approval is None
    with pytest.raises(Forbidden):
        approve(made, candidate, "bob")
    assert waited(made).phase == "shadow"


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_an_answer_names_what_it_is_given_for(verb: str) -> None:
    made = world()
    candidate = started(made)
    answer = getattr(made.controller, verb)
    with pytest.raises(Conflict, match=f"Cannot {verb} v1: the rollout of {MODEL} is that of v2"):
        answer(MODEL, 1, made.now, "because", "bob")
    with pytest.raises(Conflict, match=r"by plan 00000000: it is proven by plan [0-9a-f]{12} now"):
        answer(MODEL, candidate, made.now, "because", "bob", "00000000")
    assert made.rollout().gate.approval is made.rollout().gate.rejection is None
    answer(MODEL, candidate, made.now, "because", "bob", plan_digest(made.rollout())[:8])


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_what_is_past_the_gate_or_has_none_cannot_be_answered(verb: str) -> None:
    made = world()
    candidate = started(made)
    approve(made, candidate)
    made.until("step")
    answer = getattr(made.controller, verb)
    with pytest.raises(Conflict, match=f"Cannot {verb} v2: it was approved by bob and is in step 1 of 3"):
        answer(MODEL, candidate, made.now, "late", "carol")
    made.controller.abort(MODEL, made.now, "the end")
    with pytest.raises(Conflict, match="its rollout is over"):
        answer(MODEL, candidate, made.now, "late", "carol")
    free = World()
    free.tick()
    with pytest.raises(Conflict, match="its plan asks for no approval; `abort` ends a rollout"):
        getattr(free.controller, verb)(MODEL, started(free), free.now, "because", "bob")


def test_a_plan_that_asks_for_nobody_has_no_such_guardrail() -> None:
    made = World()
    made.tick()
    started(made)
    made.until("step")
    seen = {guardrail.name for verdict in made.rollout().history for guardrail in verdict.guardrails}
    assert APPROVAL not in seen
    assert "approval_requested" not in made.told()


def test_a_pause_holds_what_is_approved() -> None:
    made = world()
    candidate = started(made)
    made.controller.pause(MODEL, made.now, "ada")
    approve(made, candidate)
    assert waited(made, 30).phase == "shadow"
    made.controller.resume(MODEL, made.now, "ada")
    made.until("step")


def test_a_declaration_that_no_longer_asks_does_not_free_what_runs() -> None:
    made = world()
    candidate = started(made)
    saved = made.store.get("model", MODEL)
    assert saved is not None
    made.store.put("model", MODEL, saved.body.replace(b'"required"', b'"none"'), saved.revision)
    assert waited(made).phase == "shadow"
    approve(made, candidate)
    made.until("step")


def test_the_digest_of_a_plan_survives_the_store_and_changes_with_the_plan() -> None:
    made = world()
    started(made)
    known = made.rollout()
    kept = msgspec.json.decode(msgspec.json.encode(known), type=Rollout)
    assert plan_digest(kept) == plan_digest(known)
    other = World(plan={"approval": "required", "loss_margin": 0.003})
    other.tick()
    started(other)
    assert plan_digest(other.rollout()) != plan_digest(known)


def test_a_plan_asks_for_nobody_unless_it_says_so() -> None:
    assert Plan().approval == "none"
