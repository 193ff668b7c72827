"""Admission learns the pace of work, what answers took over what was predicted, and time that nobody saw."""

import pytest

from tests.worlds.gateway.admission import PATIENCE, Cpu, enter_until_refused, make, paced
from windvane.serve_apps.pipeline.admission import (
    ANSWER_MEMORY,
    FIRST_PACE,
    HIDDEN_TURNS,
    LEAST_CORRECTION,
    MOST_CORRECTION,
    PACE_MEMORY,
)


def test_the_pace_is_cpu_per_work_while_something_waits() -> None:
    cpu = Cpu(7.0)  # what was burnt before is not this request's
    admission = make(cpu=cpu)
    admission.admit(rows=984, arrived=0.0, now=0.0)
    cpu.seconds += PACE_MEMORY
    admission.finished(rows=984)
    first = FIRST_PACE * 1000
    assert admission.pace == pytest.approx((first / 2 + PACE_MEMORY) / (1000 / 2 + 1000))


def test_the_pace_follows_work_that_became_dearer_and_then_cheaper() -> None:
    cpu = Cpu()
    admission = make(cpu=cpu)
    for pace in (4e-5, 1e-5):
        for _ in range(int(5 * PACE_MEMORY / (1000 * pace))):
            admission.admit(984, arrived=0.0, now=0.0)
            cpu.seconds += 1000 * pace
            admission.finished(984)
        assert admission.pace == pytest.approx(pace, rel=0.2)


def test_answers_that_are_late_in_a_queue_make_it_shorter() -> None:
    admission = make()
    admission.admit(1000, arrived=0.0, now=0.0, deadline=9.0)
    before = admission.predict(rows=1)
    for _ in range(ANSWER_MEMORY):
        admission.enter()
        admission.leave(predicted=0.01, took=0.015)
    assert admission.correction == pytest.approx(1.5**0.5 * 1.5**0.5, rel=0.12)  # e to the half, nearly
    assert admission.predict(rows=1) == pytest.approx(admission.correction * before)
    for _ in range(20 * ANSWER_MEMORY):
        admission.enter(budget=9.0)
        admission.leave(predicted=0.01, took=0.015)
    assert admission.correction == MOST_CORRECTION
    for _ in range(20 * ANSWER_MEMORY):
        admission.enter(budget=9.0)
        admission.leave(predicted=0.01, took=0.001)
    assert admission.correction == LEAST_CORRECTION


def test_a_stall_of_the_machine_counts_little() -> None:
    admission = make()
    for _ in range(32):
        admission.enter()
    for _ in range(32):
        admission.leave(predicted=0.01, took=30.0)
    assert admission.correction == pytest.approx((1.0 + 1.0 / ANSWER_MEMORY) ** 32)
    assert admission.correction < 1.14


def test_without_a_queue_late_answers_say_nothing_about_it() -> None:
    admission = make()
    admission.enter()
    admission.leave(predicted=0.1 * PATIENCE, took=0.5)
    assert admission.correction == 1.0


def test_turns_of_the_loop_count_as_time_that_was_waited_unseen() -> None:
    admission = paced(1e-5)
    let_in = enter_until_refused(admission)
    for _ in range(let_in):
        admission.leave()
    for _ in range(100):
        admission.turned(0.004)
    assert admission.unseen == pytest.approx(HIDDEN_TURNS * 0.004)
    left = (PATIENCE - admission.unseen) / PATIENCE
    assert enter_until_refused(admission) == pytest.approx(left * let_in, abs=1)


def test_one_stall_of_the_loop_counts_little() -> None:
    admission = make()
    for _ in range(50):
        admission.turned(0.001)
    admission.turned(10.0)
    assert admission.unseen < HIDDEN_TURNS * 0.002
