"""A controller that dies between any two effects, and two at once: what is tried again ends the same."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.worlds.rollout.world import MODEL, Killed, Killer, Report, World, deployed
from windvane.cluster.errors import Conflict
from windvane.serve_apps.rollout.rollout_record import RETURNED, ROLLOUT, Rollout


def promoted(made: World) -> None:
    made.retrained()
    _tick_through(made, lambda rollout: rollout.phase == "done" and rollout.retired)


def failed(made: World) -> None:
    made.retrained()
    _tick_through(made, lambda rollout: rollout.phase == "step" and rollout.step == 1)
    made.evidence.difference = 0.05
    _retry(made, lambda: made.tick(1))
    made.evidence.difference = -0.01  # a monitor that forgot what it saw may not revive the candidate
    _tick_through(made, lambda rollout: rollout.rolled_back_in_ms is not None)


def taken_over(made: World) -> None:
    made.retrained()
    _tick_through(made, lambda rollout: rollout.phase == "done")


def undone(made: World) -> None:
    taken_over(made)
    _retry(made, lambda: _undo(made))
    _tick_through(made, lambda rollout: rollout.rolled_back_in_ms is not None)


def undone_under_a_candidate(made: World) -> None:
    taken_over(made)
    made.retrained()
    made.evidence.paired_n = 20
    _tick_through(made, lambda rollout: rollout.phase == "shadow" and rollout.in_force_at is not None)
    _retry(made, lambda: _undo(made))
    _tick_through(made, lambda rollout: rollout.rolled_back_in_ms is not None)


def approved(made: World) -> None:
    made.retrained(by="ada")
    _tick_through(made, lambda rollout: rollout.ready_at is not None)
    candidate = made.rollout().candidate
    _retry(made, lambda: made.controller.approve(MODEL, candidate, made.now, "read the report", "bob"))
    _tick_through(made, lambda rollout: rollout.phase == "step" and rollout.in_force_at is not None)


def rejected(made: World) -> None:
    made.retrained(by="ada")
    _tick_through(made, lambda rollout: rollout.phase == "shadow" and rollout.in_force_at is not None)
    candidate = made.rollout().candidate
    _retry(made, lambda: made.controller.reject(MODEL, candidate, made.now, "biased", "bob"))
    _tick_through(made, lambda rollout: rollout.rolled_back_in_ms is not None)


def _undo(made: World) -> None:
    """Whoever was killed and asks again hears that it is done."""
    try:
        made.controller.undo(MODEL, made.now, "customers complain")
    except Conflict as error:
        assert "was taken back before (operator undid it: customers complain" in str(error)  # noqa: PT017


Story = Callable[[World], None]
GATED = {"approval": "required", "steps": [{"weight": 0.1, "min_duration": "600s"}, {"weight": 1.0}]}


KNOWN: dict[Story, Story] = {
    undone: taken_over,
    undone_under_a_candidate: taken_over,
}  # how a story begins that another one is killed in
PLANS: dict[Story, dict[str, Any]] = {
    approved: GATED,
    rejected: GATED,
}  # a first step that is still running when the story ends


def _tick_through(made: World, reached: Callable[[Rollout], bool]) -> None:
    for _ in range(80):
        _retry(made, lambda: made.tick(60))
        known = made.controller.status(MODEL)
        if known is not None and reached(known):
            return
    raise AssertionError(f"did not get there: {made.rollout()}")


def _retry(made: World, verb: Callable[[], object]) -> None:
    """Do it; when it is killed, check the promises at that very point, then do it again with a new process."""
    taken_back = made.split().phase in RETURNED if made.switchboard.published else False
    try:
        verb()
    except Killed:
        split = made.split() if made.store.get("split", MODEL) else None
        known = made.controller.status(MODEL)
        if split is not None:
            answering = {arm.version for arm in split.arms}
            assert answering <= split.versions()
            in_force = [published.revision for published in made.switchboard.published]
            assert max(in_force, default=0) <= split.revision, "nothing is in force that is not stored"
            if known is not None and known.salt != split.salt:  # begun, or a promotion before undone, and no split yet
                assert answering == {known.candidate if known.undone else known.champion}
            elif taken_back or split.phase in RETURNED:
                champion = 1 if known is None else known.champion
                assert answering == {champion}, "a candidate that was taken back answers again"
            elif known is not None and known.phase in RETURNED:
                raise AssertionError("the record was written before the split was back") from None
        made.now += timedelta(seconds=1)
        verb()


@pytest.mark.parametrize("story", [promoted, failed, undone, undone_under_a_candidate, approved, rejected])
def test_a_tick_killed_between_any_two_effects_is_simply_run_again(story: Callable[[World], None]) -> None:
    plan = PLANS.get(story)
    calm = deployed(plan=plan)
    story(calm)
    total = calm.killer.effects
    assert total > 20
    known = deployed(plan=plan)
    if story in KNOWN:
        KNOWN[story](known)
    for at in range(known.killer.effects + 1, total + 1):
        shaken = World(Killer(at), plan)
        _retry(shaken, lambda shaken=shaken: shaken.tick())  # type: ignore[misc]
        story(shaken)
        assert _summary(shaken) == _summary(calm), f"killed before effect {at} of {total}"


TOLD = ("deployed", "phase", "promoted", "rolled_back", "approval_requested", "approved", "rejected", "aborted")


def _summary(made: World) -> dict[str, Any]:
    """All that is left of a rollout, without times and figures."""
    split = made.split()
    return {
        "split": (split.arms, split.shadows, split.warm, split.revision),
        "published": replace(made.switchboard.newest, reason=""),
        "phase": made.rollout().phase,
        "champion": made.registry.champion(MODEL),
        "standings": [version.standing for version in made.registry.versions(MODEL)],
        "settled": (made.rollout().settled, made.rollout().untold),
        "events": [
            (event.kind, event.version, event.facts.get("phase"))
            for event in made.store.events(MODEL)
            if event.kind in TOLD
        ],
        "failing verdicts": sum(event.facts.get("outcome") == "FAIL" for event in made.store.events(MODEL)),
        "events are told once": len({event.facts["notice"] for event in made.store.events(MODEL)})
        == len(made.store.events(MODEL)),
    }


def test_two_controllers_at_once_never_revive_what_one_took_back(monkeypatch: pytest.MonkeyPatch) -> None:
    made = deployed()
    candidate = made.retrained()
    made.until("step", 0)
    made.now += timedelta(seconds=90)
    stale = made.controller
    real = made.evidence.evidence

    def interrupted(*asked: Any) -> Any:
        monkeypatch.undo()
        made.controller.abort(MODEL, made.now, "by another process in the middle of this tick")
        return real(*asked)

    monkeypatch.setattr(made.evidence, "evidence", interrupted)
    with pytest.raises(Conflict):
        stale.tick(MODEL, made.now)
    assert made.weight(candidate) == 0.0
    assert made.tick() is not None
    assert made.rollout().phase == "aborted"


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("pause", "paused"), ("resume", "resumed"), ("approve", "approved"), ("reject", "rejected")],
)
def test_an_operators_word_in_the_shadow_is_not_lost_to_a_tick_that_writes_in_between(verb: str, kind: str) -> None:
    """It was acknowledged, and the record stood as before: the tick's record was taken for what the word had made."""
    made = deployed(plan=GATED)
    candidate = made.retrained(by="ada")
    made.until("shadow")
    if verb == "resume":
        made.controller.pause(MODEL, made.now)
    put, writes = made.store.put, list[str]()

    def overtaken(kind: str, key: str, body: bytes, expected_revision: int) -> int:
        if not writes:
            writes.append(kind)
            made.tick(60)
        return put(kind, key, body, expected_revision)

    setattr(made.store, "put", overtaken)  # noqa: B010  the world replaces it in the same way
    acts: dict[str, Callable[[], Rollout]] = {
        "pause": lambda: made.controller.pause(MODEL, made.now),
        "resume": lambda: made.controller.resume(MODEL, made.now),
        "approve": lambda: made.controller.approve(MODEL, candidate, made.now, "fine", "bob"),
        "reject": lambda: made.controller.reject(MODEL, candidate, made.now, "biased", "bob"),
    }
    answered = acts[verb]()
    assert writes == [ROLLOUT]
    assert made.told().count(kind) == 1
    assert (answered.paused, made.rollout().paused) == (verb == "pause",) * 2
    assert made.rollout().phase == ("aborted" if verb == "reject" else "shadow")


def test_a_replica_that_joins_late_does_not_stop_a_phase_in_force() -> None:
    made = deployed()
    made.retrained()
    made.until("step", 0)
    made.switchboard.replicas["c"] = Report(0, frozenset())
    for _ in range(2):
        made.tick(30)
    assert (made.rollout().phase, made.rollout().step) == ("step", 1)
