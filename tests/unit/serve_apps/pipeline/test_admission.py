import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.gateway.admission import PATIENCE, Cpu, enter_until_refused, make, paced, until_refused
from windvane.cluster.errors import Expired, Overloaded
from windvane.serve_apps.pipeline.admission import (
    FIRST_PACE,
    HEADROOM,
    LEAST_CORRECTION,
    MOST_CORRECTION,
    REFUSAL_WORK,
    REQUEST_WORK,
    Admission,
)


def fill(admission: Admission, rows: int = 84) -> int:
    """Requests that are taken before the first is refused."""
    return until_refused(lambda: admission.admit(rows, arrived=0.0, now=0.0))


def test_a_prediction_is_the_work_before_a_request_and_its_own() -> None:
    admission = make()
    assert admission.predict(rows=1) == pytest.approx(17 * FIRST_PACE)
    admission.admit(rows=84, arrived=0.0, now=0.0)
    assert admission.predict(rows=4) == pytest.approx((100 + 20) * FIRST_PACE)
    admission.finished(rows=42)  # half of what waits
    assert admission.rows == 42
    assert admission.predict(rows=4) == pytest.approx((50 + 20) * admission.pace)


def test_what_would_take_longer_than_its_time_is_refused_with_when_to_come_again() -> None:
    admission = paced(1e-5)
    taken = fill(admission)
    assert taken == pytest.approx(PATIENCE / (100 * 1e-5), abs=1)
    with pytest.raises(Overloaded, match=r"An answer would take 5\d ms and may take 50") as refused:
        admission.admit(84, arrived=0.0, now=0.0)
    assert refused.value.retry_after_seconds == pytest.approx(0.051, rel=0.02)
    assert admission.rows == 84 * taken  # what is refused waits nowhere


def test_what_has_aged_before_it_was_read_has_less_time_left() -> None:
    admission = paced(1e-5)
    admission.admit(984, arrived=0.0, now=0.0)
    admission.admit(984, arrived=0.0, now=0.029)
    with pytest.raises(Overloaded):
        admission.admit(984, arrived=0.0, now=0.021)  # three would take 30 ms, and 29 are left
    with pytest.raises(Overloaded):  # it had no deadline that could have passed
        admission.admit(984, arrived=0.0, now=0.5)


def test_a_deadline_of_its_own_counts_instead_of_the_patience() -> None:
    admission = paced(1e-5)
    fill(admission)
    admission.admit(84, arrived=10.0, now=10.0, deadline=10.1)
    with pytest.raises(Overloaded):
        admission.admit(84, arrived=10.05, now=10.05, deadline=10.1)


def test_a_deadline_that_has_passed_is_refused_even_when_nothing_waits() -> None:
    with pytest.raises(Expired, match="deadline has passed"):
        make().admit(1, arrived=2.0, now=2.0, deadline=2.0)


def test_what_arrives_when_nothing_waits_is_taken_whatever_is_predicted() -> None:
    admission = paced(1.0)
    assert admission.enter() > PATIENCE
    admission.admit(1, arrived=0.0, now=0.0)
    with pytest.raises(Overloaded):
        admission.admit(1, arrived=0.0, now=0.0)
    with pytest.raises(Overloaded):
        admission.enter()


def test_more_rows_than_may_wait_are_refused_however_fast_they_go_and_taken_alone() -> None:
    admission = make(most_rows=10)
    admission.admit(1000, arrived=0.0, now=0.0)
    with pytest.raises(Overloaded, match="1000 rows are waiting and 10 may"):
        admission.admit(1, arrived=0.0, now=0.0)
    with pytest.raises(Overloaded, match="1000 rows are waiting and 10 may"):
        admission.enter()


def test_admission_refuses_earlier_than_the_queue_so_that_what_it_let_in_is_seldom_refused() -> None:
    admission = paced(1e-5)
    let_in = enter_until_refused(admission)
    assert HEADROOM < admission.headroom < HEADROOM + 0.01  # a usual request's work is 1,000
    assert let_in == pytest.approx(admission.headroom * PATIENCE / (1000 * 1e-5), abs=1)
    for _ in range(let_in):
        admission.admit(984, arrived=0.0, now=0.0)
    for _ in range(let_in):
        admission.leave()
    with pytest.raises(Overloaded):  # they wait still
        admission.enter()


def test_refusing_a_crowd_does_not_make_answers_look_slow() -> None:
    """Story: of what asks, 19 in 20 are refused, and that takes most of the CPU: the pace stays what it was."""
    pace = 5e-6
    cpu = Cpu()
    admission = make(cpu=cpu)
    for _ in range(500):
        for _ in range(5):
            admission.admit(1, arrived=0.0, now=0.0)
            cpu.seconds += (1 + REQUEST_WORK) * pace
        for _ in range(95):
            with pytest.raises(Overloaded):
                admission.enter(budget=0.0)
            cpu.seconds += REFUSAL_WORK * pace
        admission.finished(5)
    assert admission.pace == pytest.approx(pace, rel=0.01)


def test_who_lost_its_time_before_we_saw_it_is_taken_where_little_waits() -> None:
    admission = make()
    admission.admit(1, arrived=0.0, now=0.0)
    admission.enter(budget=admission.left(waited=60.0))
    admission.admit(1, arrived=0.0, now=60.0)


def test_a_slow_disk_alone_refuses_nobody() -> None:
    """Story: 5 ms a sync, one caller at a time, then 64 at once; wall time per answer would have said 320 ms."""
    cpu = Cpu()
    admission = make(cpu=cpu)
    for place in range(200):
        predicted = admission.enter()
        admission.admit(1, arrived=place * 0.005, now=place * 0.005)
        cpu.seconds += 2e-4
        admission.finished(1)
        admission.leave(predicted, took=0.005)
    for _ in range(64):
        admission.enter()
    for _ in range(64):
        admission.admit(1, arrived=1.0, now=1.0)


ops = st.lists(st.tuples(st.sampled_from(["admit", "finish", "turn"]), st.integers(1, 300), st.floats(0, 0.2)))


@settings(max_examples=60, deadline=None)
@given(ops)
def test_whatever_comes_the_counts_are_exact_the_prediction_is_finite_and_an_empty_room_is_open(
    events: list[tuple[str, int, float]],
) -> None:
    cpu, now = Cpu(), 0.0
    admission = make(500, cpu)
    taken, refusals, turned_away = list[tuple[int, float]](), list[tuple[int, float]](), 0
    for kind, rows, seconds in events:
        now, cpu.seconds = now + seconds, cpu.seconds + seconds / 2
        if kind == "turn":
            admission.turned(seconds)
        elif kind == "finish" and taken:
            first, predicted = taken.pop(0)
            admission.finished(first)
            admission.leave(predicted, seconds)
        else:
            try:
                predicted = admission.enter()
                admission.admit(rows, now, now)
            except Overloaded as error:
                refusals.append((len(taken), error.retry_after_seconds))
                turned_away += admission.inside - len(taken)
                for _ in range(admission.inside - len(taken)):  # refused after it was read
                    admission.leave()
            else:
                assert not taken or predicted <= PATIENCE
                taken.append((rows, predicted))
        assert admission.rows == sum(rows for rows, _ in taken)
        assert admission.rows <= 500 or len(taken) == 1
        assert 0.0 < admission.pace < math.inf
        assert LEAST_CORRECTION <= admission.correction <= MOST_CORRECTION
    assert all(waiting > 0 and 0.0 < retry_after < math.inf for waiting, retry_after in refusals)
    assert turned_away <= len(refusals)
    for rows, predicted in taken:
        admission.finished(rows)
        admission.leave(predicted, took=0.01)
    assert (admission.rows, admission.inside, admission.is_busy) == (0, 0, False)
    admission.enter()
    admission.admit(100_000, now, now)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.integers(1, 900), st.floats(1e-3, 5.0))
def test_more_time_is_never_refused_where_less_is_taken(queued: int, rows: int, time: float) -> None:
    def outcome(allowed: float) -> bool:
        admission = make()
        for _ in range(queued):
            admission.admit(10, arrived=0.0, now=0.0, deadline=100.0)
        try:
            admission.admit(rows, arrived=0.0, now=0.0, deadline=allowed)
        except Overloaded:
            return False
        return True

    assert outcome(2.0 * time) or not outcome(time)


def test_a_usual_request_is_the_mean_of_the_last() -> None:
    admission = paced(1e-5)  # 984 rows each
    for _ in range(200):
        admission.admit(1, arrived=0.0, now=0.0, deadline=9.0)
        admission.finished(1)
    entered = enter_until_refused(admission)
    assert admission.headroom == pytest.approx(
        HEADROOM + (1.0 - HEADROOM) * REFUSAL_WORK / (1 + REQUEST_WORK), rel=0.01
    )
    assert entered == pytest.approx(admission.headroom * PATIENCE / (1 + REQUEST_WORK) / admission.pace, rel=0.05)


def test_who_is_alone_may_hold_the_loop_up() -> None:
    admission = Admission(patience_seconds=0.05, most_rows=4096)
    admission.enter()
    admission.admit(rows=16, arrived=0.0, now=0.0)
    assert admission.is_alone
    admission.enter()
    assert not admission.is_alone


@pytest.mark.parametrize(("rows", "alone"), [(1, True), (2, False)])
def test_what_came_through_serve_is_alone_when_it_is_one_row(rows: int, alone: bool) -> None:
    admission = Admission(patience_seconds=0.05, most_rows=4096)
    admission.admit(rows=rows, arrived=0.0, now=0.0)
    assert admission.is_alone == alone
