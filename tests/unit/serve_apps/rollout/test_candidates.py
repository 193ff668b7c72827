"""An unproven version makes room for the next, and is tried again where requests come."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.worlds.rollout.walks import begun
from windvane.cluster.policies.approval import LOOP, Gate
from windvane.configs.sized_plan import Traffic
from windvane.monitoring.evidence import ArmEvidence, Evidence
from windvane.serve_apps.rollout.candidates import Picked, again, yields
from windvane.serve_apps.rollout.offline import Offline
from windvane.serve_apps.rollout.rollout_record import Lateness, Rollout
from windvane.serve_apps.rollout.state_machine import go_back, promote
from windvane.serve_apps.rollout.verdict import Guardrail, Outcome, conclude

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LATE = Traffic(600, 600, 40 * 86_400)  # a proof takes 41 days


FRESH = Picked(4, "growth", LOOP)
CURE = Picked(4, "a promise is broken", LOOP, Offline(champion=2, n=191, mean=-0.31, error=0.04))


def proving(traffic: Traffic = LATE, loss: Outcome = "NOT_YET", **changes: Any) -> Rollout:
    rollout = begun()
    verdict = conclude(START, "shadow", (Guardrail("loss", loss, "…"),))
    return replace(rollout, in_force_at=START, traffic=traffic, verdict=verdict, **changes)


def seen(decisions: int) -> Evidence:
    return Evidence(8, (ArmEvidence(2, decisions, 0, None),), None, None)


def test_candidates_that_come_faster_than_their_outcomes_cannot_keep_each_other_from_being_proven() -> None:
    """One a week, outcomes after 40 days: the second takes the first's place, the third waits for the second's end."""
    first = proving()
    assert yields(first, FRESH, START + 7 * DAY)
    second = proving(started_at=START + 7 * DAY, proving_since=START)
    assert not yields(second, FRESH, START + 14 * DAY)
    assert not yields(second, FRESH, START + 88 * DAY)
    assert yields(second, FRESH, START + 89 * DAY), "it had twice the time that it takes"


def test_a_cure_that_training_proved_waits_for_nothing_that_it_did_not_prove() -> None:
    """A version that growth asked for twelve days before the change was seen would keep its place for another month."""
    grown = proving(started_at=START)
    assert not yields(grown, FRESH, START + 12 * DAY)
    assert yields(grown, CURE, START + 12 * DAY)
    assert not yields(grown, replace(CURE, offline=Offline(1, 191, -0.31, 0.04)), START + 12 * DAY), "another champion"
    assert not yields(grown, replace(CURE, offline=Offline(2, 191, -0.31, 0.1)), START + 12 * DAY), "not surely"
    assert not yields(replace(grown, offline=CURE.offline), CURE, START + 12 * DAY), "the first cure keeps its place"
    assert not yields(replace(grown, paused=True), CURE, START + 12 * DAY)


def test_what_cannot_be_proven_at_all_makes_room() -> None:
    assert yields(proving(Traffic(600, None, None)), FRESH, START + 50 * DAY)


@pytest.mark.parametrize("phase", ["shadow", "step"])
def test_only_what_is_not_proven_makes_room(phase: str) -> None:
    assert yields(proving(phase=phase), FRESH, START)
    assert not yields(proving(phase=phase, loss="PASS"), FRESH, START)


def test_what_people_started_or_steer_or_wait_for_makes_no_room() -> None:
    assert not yields(proving(started_by="ada"), FRESH, START)
    assert not yields(proving(paused=True), FRESH, START)
    assert not yields(promote(proving(), "ada", "now", START), FRESH, START)
    assert not yields(proving(ready_at=START), FRESH, START)
    assert not yields(proving(phase="bake"), FRESH, START)
    assert yields(proving(gate=Gate("ada")), FRESH, START), "who asked for the retraining does not matter"


def test_what_was_not_proven_is_tried_again_where_requests_come() -> None:
    unproven = go_back(proving(gate=Gate("ada")), "unproven", "not proven in 24 h: no request", START)
    picked = again(unproven, lambda: seen(1))
    assert picked is not None
    assert (picked.version, picked.requester) == (3, "ada")
    assert again(unproven, lambda: seen(0)) is None
    assert again(unproven, lambda: None) is None
    assert again(replace(unproven, outcomes=20_000), lambda: seen(1)) is None, "more of the same tells nothing"
    late = replace(unproven, lateness=Lateness(START, 5000, 500, missed=5))
    assert again(late, lambda: seen(1)) is None, "requests would be late again"


@pytest.mark.parametrize("phase", ["rolled_back", "aborted", "superseded"])
def test_what_ended_for_another_reason_is_not_tried_again(phase: Any) -> None:
    ended = go_back(proving(), phase, "…", START)
    assert again(ended, lambda: seen(1000)) is None
