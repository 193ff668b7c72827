"""Slowness is the candidate's own only beside the champion at the same time; alone it has to last."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import erfc, log, sqrt

import numpy as np
import pytest

from tests.worlds.rollout.walks import begun
from windvane.configs.schema import Objectives, Plan, Step
from windvane.monitoring.evidence import ArmEvidence, Evidence
from windvane.serve_apps.rollout.guardrails.judge import beyond
from windvane.serve_apps.rollout.guardrails.latency import DECISIONS, PERSISTENT, follow, lasts, latency_guardrail
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.state_machine import advance
from windvane.serve_apps.rollout.verdict import Guardrail, Outcome, conclude

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BESIDE = replace(begun(objectives=Objectives(latency_p99_ms=50.0), revision=5), phase="step", in_force_at=START)
ALONE = replace(BESIDE, phase="bake", entered_at=START)


def seen(candidate: tuple[int, int], champion: tuple[int, int] | None = None, ms: float | None = 80.0) -> Evidence:
    """Decisions and late ones of both."""
    arms = [ArmEvidence(3, candidate[0], 0, ms, candidate[1])]
    arms += [ArmEvidence(2, champion[0], 0, ms, champion[1])] if champion else []
    return Evidence(5, tuple(arms), None, None)


def judged(rollout: Rollout, evidence: Evidence) -> Guardrail:
    found = latency_guardrail(rollout, evidence, beyond(rollout))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("candidate", "champion", "outcome"),
    [
        ((2000, 10), (18_000, 90), "PASS"),
        ((2000, 200), (18_000, 90), "FAIL"),
        ((2000, 200), (18_000, 1800), "PASS"),  # the machine is slow, not the version
        ((2000, 33), (18_000, 90), "NOT_YET"),  # more than allowed, not surely
        ((30, 30), (270, 0), "FAIL"),  # a quiet model needs no 500 decisions to see that every answer is late
        ((30, 1), (270, 0), "PASS"),
    ],
)
def test_a_candidate_is_compared_with_the_champion_at_the_same_time(
    candidate: tuple[int, int], champion: tuple[int, int], outcome: Outcome
) -> None:
    assert judged(BESIDE, seen(candidate, champion)).outcome == outcome


def test_what_is_not_measured_is_not_judged() -> None:
    silent = Evidence(5, (ArmEvidence(3, 2000, 0, 10.0), ArmEvidence(2, 18_000, 0, 10.0)), None, None)
    assert latency_guardrail(BESIDE, silent, 5.0) is None
    assert latency_guardrail(BESIDE, Evidence(5, (), None, None), 5.0) is None
    assert latency_guardrail(BESIDE, seen((10, 10)), 5.0) is None


def test_the_sentence_names_both_at_the_same_time() -> None:
    assert judged(BESIDE, seen((2000, 200), (18_000, 90))).sentence == (
        "10.0% of v3's answers took over 50 ms (p99 80.0 ms), 0.5% of v2's at the same time (p99 80.0 ms)"
    )


@pytest.mark.parametrize("log_deviation", [0.5, 1.0, 1.5])
def test_two_identical_arms_that_miss_the_objective_are_hardly_ever_told_apart(log_deviation: float) -> None:
    """Both with a 99th percentile of 60 ms against 50, and of 180 now and then; 10 % of 40,000 requests, 20 looks."""
    rng, fails = np.random.default_rng(2), 0
    n = np.diff(np.unique(np.geomspace(100, 40_000, 21).astype(int)), prepend=0)
    shares = [0.5 * erfc((2.326 - log(p99 / 50.0) / log_deviation) / sqrt(2.0)) for p99 in (60.0, 180.0)]
    for _ in range(100):
        late = rng.choice(shares, n.size, p=(0.8, 0.2))
        asked = rng.binomial(n, 0.1)
        arms = np.array([asked, rng.binomial(asked, late), n - asked, rng.binomial(n - asked, late)]).cumsum(axis=1)
        looks = [seen((mine, my_late), (theirs, their_late)) for mine, my_late, theirs, their_late in arms.T.tolist()]
        fails += any(judged(BESIDE, look).outcome == "FAIL" for look in looks if look.arms[0].decisions)
    assert fails == 0


def followed(rollout: Rollout, minutes: int, late_share: float, a_minute: int = 1000) -> Rollout:
    """The rollout after so many minutes of full weight in which that share of answers was late."""
    if rollout.lateness is None:
        rollout = follow(rollout, seen((0, 0)), START)
    for _ in range(minutes):
        begun = rollout.lateness
        assert begun is not None
        counts = (begun.decisions + a_minute, begun.slow + round(late_share * a_minute))
        for later in (MINUTE / 2, MINUTE):
            rollout = follow(rollout, seen(counts), begun.at + later)
    return rollout


def test_alone_a_busy_machine_for_half_a_minute_takes_nothing_back() -> None:
    begun = follow(ALONE, seen((1000, 2)), START)
    busy = seen((4000, 2002))  # 25 s at 120 a second, two in three late
    later = follow(begun, busy, START + timedelta(seconds=25))
    held = judged(later, busy)
    assert held.outcome == "NOT_YET"
    assert held.sentence == (
        "v3 alone is late, 66.7% of 3,000 answers over 50 ms, 0 of 5 stretches in a row; "
        "if it lasts the two are compared at the same time"
    )
    missed = follow(later, seen((8000, 2002)), START + MINUTE)
    assert missed.lateness is not None
    assert missed.lateness.missed == 1
    calm = follow(missed, seen((15_000, 2010)), START + 2 * MINUTE)
    assert judged(calm, seen((15_000, 2010))).outcome == "PASS"
    assert not lasts(calm)


def test_alone_being_late_for_five_stretches_in_a_row_lasts() -> None:
    assert not lasts(followed(ALONE, PERSISTENT - 1, 0.2))
    assert lasts(followed(ALONE, PERSISTENT, 0.2))
    assert not lasts(followed(followed(ALONE, PERSISTENT - 1, 0.2), 1, 0.0))
    assert not lasts(followed(ALONE, 3 * PERSISTENT, 0.009))


def test_a_champion_that_was_late_as_often_before_calls_for_no_comparison() -> None:
    slow_before = replace(ALONE, reference=ArmEvidence(2, 9000, 0, 60.0, 180))
    assert not lasts(followed(slow_before, 2 * PERSISTENT, 0.025))
    assert lasts(followed(slow_before, PERSISTENT, 0.035))


def test_a_quiet_model_counts_what_is_surely_late() -> None:
    assert lasts(followed(ALONE, PERSISTENT, 1.0, a_minute=5))
    assert not lasts(followed(ALONE, PERSISTENT, 0.0, a_minute=5))


def test_a_monitor_that_starts_anew_begins_a_new_stretch() -> None:
    late = followed(ALONE, 2, 0.2)
    anew = follow(late, seen((DECISIONS, 0)), START + timedelta(hours=1))
    assert anew.lateness is not None
    assert (anew.lateness.decisions, anew.lateness.missed) == (DECISIONS, 0)


def said(rollout: Rollout) -> Rollout:
    verdict = conclude(START, rollout.where(), (Guardrail("latency", "NOT_YET", "late"),))
    return advance(rollout, verdict, START + timedelta(hours=1))


def test_what_lasts_is_compared_once_more_and_only_there_it_may_fail() -> None:
    again = said(followed(ALONE, PERSISTENT, 0.2))
    assert (again.phase, again.step, again.weight) == ("step", 1, 0.5)
    assert again.lateness is None
    assert again.reason == "v3 alone was late 5 stretches in a row: compared with v2 at the same time"
    given_up = said(followed(replace(ALONE, compared_again=2), PERSISTENT, 0.2))
    assert given_up.phase == "unproven"
    assert given_up.reason == "v3 alone was late 5 stretches in a row, no slower when both answer"


def test_blue_green_has_nothing_to_compare_with_and_goes_back_unproven() -> None:
    blue_green = replace(ALONE, plan=Plan(steps=(Step(weight=1.0),)).model_dump(mode="json"))
    assert said(followed(blue_green, PERSISTENT - 1, 0.2)).active
    back = said(followed(blue_green, PERSISTENT, 0.2))
    assert back.phase == "unproven"
    assert back.reason.endswith("no step of the plan compares it with the champion")


def test_a_promotion_by_hand_is_not_sent_back_to_a_comparison() -> None:
    waived = replace(ALONE, waived=True)
    assert said(followed(waived, PERSISTENT, 0.2)).phase == "bake"
