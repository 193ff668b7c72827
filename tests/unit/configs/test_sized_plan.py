"""Sizes of a plan follow the traffic; what it declares stands."""

from datetime import timedelta

import pytest

from windvane.configs.schema import Plan, Step
from windvane.configs.sized_plan import Traffic, in_words, size

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("decisions", "delay_days", "outcomes", "step", "takes", "max_phase"),
    [
        (300, 1.0, 300, ("1 h", 20), "2 d 22 h", "31 d"),
        (600, 1.0, 600, ("1 h", 25), "2 d 15 h", "31 d"),
        (600, 40.0, 600, ("1 h", 25), "41 d 15 h", "70 d"),
        (10_000, 0.1, 1000, ("1 h", 200), "13 h 36 min", "2 d 2 h"),
        (300_000, 0.0, 1000, ("4 min 48 s", 200), "33 min 36 s", "24 h"),
        (8_640_000, 0.0, 1000, ("10 s", 200), "1 min 10 s", "24 h"),
    ],
)
def test_a_rollout_takes_days_where_requests_are_few_and_a_minute_where_they_are_many(
    decisions: float, delay_days: float, outcomes: int, step: tuple[str, int], takes: str, max_phase: str
) -> None:
    sized = size(Plan(), Traffic(decisions, decisions, delay_days * 86_400))
    assert sized.outcomes == outcomes
    assert (in_words(sized.steps[0].duration), sized.steps[0].decisions) == step
    assert (in_words(sized.takes() or timedelta(0)), in_words(sized.max_phase)) == (takes, max_phase)


def test_every_step_has_time_for_its_decisions_before_a_phase_ends() -> None:
    for decisions in (50, 300, 5_000, 300_000):
        sized = size(Plan(steps=(Step(weight=0.01), Step(weight=1.0))), Traffic(decisions, decisions, 0.0))
        for each in sized.steps:
            assert 10 * DAY * each.decisions / (decisions * each.weight) <= sized.max_phase


def test_declared_numbers_win() -> None:
    declared = Plan(
        min_outcomes=50,
        shadow_min_duration=timedelta(seconds=3),
        steps=(Step(weight=1.0, min_duration=timedelta(seconds=4), min_decisions=7),),
        bake=timedelta(seconds=5),
        max_phase=timedelta(minutes=3),
    )
    sized = size(declared, Traffic(600, 600, 40 * 86_400))
    assert (sized.outcomes, sized.shadow, sized.bake, sized.max_phase) == (
        50,
        timedelta(seconds=3),
        timedelta(seconds=5),
        timedelta(minutes=3),
    )
    assert (sized.steps[0].duration, sized.steps[0].decisions) == (timedelta(seconds=4), 7)


def test_without_traffic_it_is_as_for_a_busy_model_and_ends_after_a_day() -> None:
    sized = size(Plan())
    assert (sized.outcomes, sized.steps[0].decisions, sized.max_phase) == (1000, 200, DAY)
    assert sized.proof is sized.takes() is None
    assert sized.sentence() == "no traffic is measured yet: 1,000 outcomes, steps of 4 min 48 s"


def test_decisions_without_any_outcome_are_waited_for_and_said() -> None:
    sized = size(Plan(), Traffic(600, None, None))
    assert sized.max_phase == 90 * DAY
    assert sized.sentence() == (
        "at 600 decisions a day and no outcome so far, nothing can be proven; 90 d are waited for one"
    )


def test_the_sentence_names_what_is_waited_for() -> None:
    assert size(Plan(), Traffic(600, 570, 86_400)).sentence() == (
        "at 600 decisions a day and 570 outcomes, known after 24 h: 570 outcomes prove it, steps last 1 h; "
        "2 d 15 h in all at least, and a phase waits 31 d at most"
    )


def test_spans_are_said_in_their_two_largest_units() -> None:
    spans = (timedelta(0), timedelta(milliseconds=250), timedelta(minutes=61), timedelta(hours=47), timedelta(days=30))
    assert [in_words(span) for span in spans] == ["0 s", "250 ms", "1 h 1 min", "47 h", "30 d"]
