"""Time that phases last, as looks count it: on a clock that jumps, is set back, or that nobody looked at."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.worlds.rollout.walks import begun
from windvane.configs.schema import Plan
from windvane.serve_apps.rollout.elapsed import least_duration, stand, stay_warm, wait
from windvane.serve_apps.rollout.rollout_record import Phase, Rollout
from windvane.serve_apps.rollout.state_machine import come_into_force

START = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan(shadow_min_duration=timedelta(hours=1), bake=timedelta(seconds=20), rollback_window=timedelta(hours=10))
SHADOW = come_into_force(begun(PLAN), START)
BAKE = replace(SHADOW, phase="bake")


def looks(rollout: Rollout, *seconds: float) -> Rollout:
    """The rollout after looks so many seconds after its start."""
    for each in seconds:
        now = START + timedelta(seconds=each)
        rollout = wait(stand(rollout, now), now)
    return rollout


def test_looks_a_second_apart_count_every_second() -> None:
    assert looks(SHADOW, *range(101)).stood_seconds == 100.0


def test_a_jump_forward_counts_a_tenth_of_the_phase_at_most_and_half_a_minute_in_a_short_one() -> None:
    assert looks(SHADOW, 1, 86_400).stood_seconds == 1.0 + 360.0
    assert looks(BAKE, 1, 86_400).stood_seconds == 1.0 + 30.0
    assert looks(SHADOW, 1, 86_400, 86_401).stood_seconds == 1.0 + 360.0 + 1.0


def test_a_jump_back_counts_nothing_and_takes_nothing_away() -> None:
    assert looks(SHADOW, 100, 40, 50).stood_seconds == 100.0 + 10.0


def test_hours_in_which_the_controller_was_down_count_as_one_look() -> None:
    stored = looks(SHADOW, *range(0, 1801, 5))
    assert looks(stored, 1800 + 3600).stood_seconds == 1800.0 + 360.0


def test_time_before_the_split_is_in_force_is_not_counted() -> None:
    loading = replace(SHADOW, in_force_at=None)
    assert looks(loading, 1, 2).stood_seconds == 0.0
    there = come_into_force(looks(loading, 1, 60), START + timedelta(seconds=60))
    assert looks(there, 65).stood_seconds == 5.0


def test_a_split_that_was_displaced_stands_anew() -> None:
    again = come_into_force(replace(looks(SHADOW, 100), in_force_at=None), START + timedelta(seconds=100))
    assert again.stood_seconds == 0.0


def test_steps_of_hours_count_in_full_where_the_clock_cannot_jump() -> None:
    assert stand(SHADOW, START + timedelta(hours=6), timedelta.max).stood_seconds == 21_600.0


@pytest.mark.parametrize(("phase", "seconds"), [("shadow", 3600), ("step", 288), ("bake", 20), ("done", 288)])
def test_every_phase_has_its_duration(phase: Phase, seconds: float) -> None:
    assert least_duration(replace(SHADOW, phase=phase)) == timedelta(seconds=seconds)
    assert least_duration(replace(SHADOW, skip_shadow=True)) == timedelta(0)


def test_the_rollback_window_is_counted_by_looks_and_hardly_ever_written() -> None:
    done = replace(SHADOW, phase="done", looked_at=START)
    assert stay_warm(done, START + timedelta(minutes=29)) is done
    half_an_hour = stay_warm(done, START + timedelta(minutes=30))
    assert (half_an_hour.stood_seconds, half_an_hour.looked_at) == (1800.0, START + timedelta(minutes=30))
    assert stay_warm(done, START + timedelta(days=9)).stood_seconds == 3600.0
    assert stay_warm(done, START - timedelta(days=9)) == replace(done, looked_at=START - timedelta(days=9))
    nearly = replace(done, stood_seconds=36_000.0 - 60)
    assert stay_warm(nearly, START + timedelta(minutes=1)).stood_seconds == 36_000.0
