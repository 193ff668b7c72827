"""Phases and splits as pure functions."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.worlds.rollout.walks import START, begun, said, started, walk
from windvane.cluster.errors import Conflict
from windvane.configs.schema import Plan, Step
from windvane.configs.sized_plan import Traffic
from windvane.serve_apps.rollout.demanded_split import same_routing, split_of
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.state_machine import (
    advance,
    come_into_force,
    go_back,
    pause,
    promote,
    resume,
    retire,
    set_back,
)
from windvane.serve_apps.traffic.router import Arm

PINS = (1,)
PATH = ["shadow", "step 1 of 3 (10 %)", "step 2 of 3 (50 %)", "step 3 of 3 (100 %)", "bake", "done"]


def test_passing_walks_through_every_phase_in_order() -> None:
    assert [walk(started(), phases).where() for phases in range(6)] == PATH


def test_blue_green_is_one_step_of_everything() -> None:
    plan = Plan(steps=(Step(weight=1.0),))
    assert [walk(started(plan), phases).where() for phases in range(4)] == [
        "shadow",
        "step 1 of 1 (100 %)",
        "bake",
        "done",
    ]


@pytest.mark.parametrize("phases", range(5))
def test_not_yet_holds_the_split(phases: int) -> None:
    rollout = walk(started(), phases)
    held = advance(rollout, said("NOT_YET", rollout), START + timedelta(hours=23))
    assert split_of(held, PINS) == split_of(rollout, PINS)


@pytest.mark.parametrize("phases", range(5))
def test_a_failure_goes_back_from_any_phase(phases: int) -> None:
    rollout = walk(started(), phases)
    back = advance(rollout, said("FAIL", rollout), START)
    split = split_of(back, PINS)
    assert (back.phase, split.arms, split.shadows) == ("rolled_back", (Arm("champion", 2, 1.0),), (1,))
    assert split.revision == rollout.revision + 1
    assert [notice.kind for notice in back.untold][-2:] == ["verdict", "rolled_back"]


def looked_at(rollout: Rollout, hours: float, every: float = 1.0) -> Rollout:
    """The rollout after that long without a verdict, seen every so many hours."""
    now = rollout.looked_at or rollout.entered_at
    for _ in range(round(hours / every)):
        now += timedelta(hours=every)
        rollout = advance(rollout, said("NOT_YET", rollout), now)
    return rollout


@pytest.mark.parametrize("phases", range(5))
def test_a_phase_that_takes_too_long_goes_back_unproven(phases: int) -> None:
    rollout = walk(started(), phases)
    assert looked_at(rollout, 24).active
    back = looked_at(rollout, 25)
    assert back.phase == "unproven"
    assert back.reason.startswith("not proven in 24 h (tried again once requests come): ")


def test_a_clock_that_jumps_proves_nothing_and_ends_nothing() -> None:
    jumped = advance(started(), said("NOT_YET", started()), START + timedelta(days=1, seconds=1))
    assert jumped.active
    assert jumped.waited_seconds == 2.4 * 3600
    assert looked_at(jumped, 21).active
    assert not looked_at(jumped, 22).active


def test_a_clock_that_is_set_back_takes_the_record_along() -> None:
    before = START - timedelta(days=1)
    back = set_back(walk(started(), 1), before)
    assert (back.started_at, back.entered_at, back.in_force_at) == (before, before, before)
    assert set_back(back, START) == back
    assert advance(back, said("NOT_YET", back), before + timedelta(hours=1)).waited_seconds == 3600.0


def test_labels_that_take_forty_days_are_waited_for() -> None:
    late = replace(started(), traffic=Traffic(600, 600, 40 * 86_400))
    assert looked_at(late, 24 * 70, every=24).active
    assert not looked_at(late, 24 * 71, every=24).active


def test_splits_score_every_version_on_the_requests_it_does_not_answer() -> None:
    splits = [split_of(walk(started(), phases), PINS) for phases in range(6)]
    assert [[(arm.version, round(arm.weight, 3)) for arm in split.arms] for split in splits] == [
        [(2, 1.0)],
        [(3, 0.1), (2, 0.9)],
        [(3, 0.5), (2, 0.5)],
        [(3, 1.0)],
        [(3, 1.0)],
        [(3, 1.0)],
    ]
    assert [split.shadows for split in splits] == [(3, 1), (3, 2, 1), (3, 2, 1), (2, 1), (2, 1), (1,)]
    assert all(2 in split.versions() for split in splits), "the champion stays loaded"
    assert [split.revision for split in splits] == [7, 8, 9, 10, 10, 11], "full and bake are one epoch"
    assert {split.salt for split in splits} == {"7:3:m"}


def test_every_version_that_answers_was_in_the_split_before() -> None:
    splits = [split_of(walk(started(), phases), ()) for phases in range(6)]
    for before, after in pairwise(splits):
        assert {arm.version for arm in after.arms} <= before.versions()


def test_a_new_rollout_has_a_new_salt_within_the_64_bytes_a_hash_key_may_have() -> None:
    one, other = (begun(model="m" * 63, revision=revision) for revision in (10, 11))
    assert one.salt[:64] != other.salt[:64]


def test_a_pause_holds_a_pass_and_lets_a_failure_through() -> None:
    paused = pause(started(), "ada", START)
    much_later = START + timedelta(days=30)
    assert advance(paused, said("PASS", paused), much_later).phase == "shadow"
    assert advance(paused, said("NOT_YET", paused), much_later).phase == "shadow"
    assert advance(paused, said("FAIL", paused), much_later).phase == "rolled_back"
    assert looked_at(paused, 72).waited_seconds == 0.0
    resumed = resume(paused, "ada", much_later)
    assert looked_at(resumed, 23).phase == "shadow"
    assert advance(resumed, said("PASS", resumed), much_later).phase == "step"


def test_a_promotion_by_hand_skips_the_steps_and_still_bakes() -> None:
    promoted = promote(started(), "ada", "the champion is on fire", START)
    assert (promoted.phase, promoted.waived) == ("bake", True)
    assert promoted.overridden == ("ada promoted it in shadow: the champion is on fire",)
    assert promote(walk(started(), 4), "ada", "enough", START).revision == walk(started(), 4).revision


def test_nothing_is_promoted_before_it_is_loaded() -> None:
    with pytest.raises(Conflict, match="not loaded everywhere"):
        promote(begun(), "ada", "now", START)


def kept_warm(done: Rollout, hours: int) -> Rollout:
    """The finished rollout that many hours later, seen every hour."""
    now = done.looked_at or done.entered_at
    for _ in range(hours):
        now += timedelta(hours=1)
        done = retire(done, now)
    return done


def test_the_old_champion_stays_warm_until_the_window_is_over() -> None:
    done = walk(started(), 5)
    assert not kept_warm(done, 23).retired
    assert 2 in split_of(done, ()).warm
    gone = kept_warm(done, 24)
    assert gone.retired
    assert (kept_warm(gone, 2).revision, gone.revision) == (done.revision + 1, done.revision + 1)


def test_the_way_back_is_measured_once() -> None:
    back = go_back(walk(started(), 2), "rolled_back", "worse", START)
    there = come_into_force(back, START + timedelta(milliseconds=250))
    assert there.rolled_back_in_ms == 250.0
    assert come_into_force(there, START + timedelta(hours=1)) == there


def test_a_verdict_is_told_when_its_reason_changes_and_not_each_tick() -> None:
    rollout = started()
    for name in ("loss", "loss", "duration", "duration", "loss"):
        rollout = advance(rollout, said("NOT_YET", rollout, name), START)
    assert [notice.kind for notice in rollout.untold].count("verdict") == len(rollout.history) == 3


def test_what_is_over_is_not_judged_and_not_steered() -> None:
    done = walk(started(), 5)
    assert advance(done, said("FAIL", done), START) == done
    for verb in (pause, resume):
        with pytest.raises(Conflict, match="is over"):
            verb(done, "ada", START)


def test_routing_is_the_same_whatever_the_split_is_called() -> None:
    split = split_of(started(), ())
    assert same_routing(split, replace(split, revision=99, phase="step", reason="else"))
    assert not same_routing(split, replace(split, shadows=()))
