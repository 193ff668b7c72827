"""The bucket lets through what a token bucket lets through, exactly, and says how long to wait."""

from fractions import Fraction
from itertools import takewhile
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.cluster.callers.rate import Limit, Rates, take
from windvane.cluster.errors import TooFast

# Quarters and powers of two, which floats add up without rounding: so the exact answer is the answer.
GAPS = st.lists(st.integers(0, 12), max_size=60)
LIMITS = st.builds(Limit, st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0]), st.integers(1, 8))


class Bucket:
    """The textbook's: tokens run in all the time, what does not fit runs over."""

    def __init__(self, limit: Limit) -> None:
        self.rate, self.most = Fraction(limit.per_second), limit.burst
        self.tokens, self.at = Fraction(limit.burst), Fraction(0)

    def take(self, now: Fraction) -> bool:
        self.tokens, self.at = min(Fraction(self.most), self.tokens + (now - self.at) * self.rate), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@given(LIMITS, GAPS)
def test_it_lets_through_what_the_textbooks_bucket_does(limit: Limit, gaps: list[int]) -> None:
    bucket, full_at, now = Bucket(limit), -inf, Fraction(1000)
    bucket.at = now
    for quarters in gaps:
        now += Fraction(quarters, 4)
        before = full_at
        full_at, wait = take(limit, full_at, float(now))
        assert (wait == 0) == bucket.take(now)
        assert wait == 0 or full_at == before  # a refusal costs nothing


@given(LIMITS, GAPS)
def test_whoever_waits_as_told_is_let_through_and_nobody_sooner(limit: Limit, gaps: list[int]) -> None:
    full_at, now = -inf, 1000.0
    for quarters in gaps:
        now += quarters / 4
        full_at, wait = take(limit, full_at, now)
        if wait:
            assert take(limit, full_at, now + wait - 1 / 64)[1] > 0
            full_at, again = take(limit, full_at, now + wait)
            assert again == 0
            now += wait


@given(LIMITS, GAPS)
def test_no_span_lets_more_through_than_the_burst_and_what_runs_in(limit: Limit, gaps: list[int]) -> None:
    full_at, now, let_through = -inf, 1000.0, 0
    for quarters in gaps:
        now += quarters / 4
        full_at, wait = take(limit, full_at, now)
        let_through += wait == 0
    assert let_through <= limit.burst + (now - 1000) * limit.per_second


def test_a_third_of_a_second_later_a_third_is_there() -> None:
    """The float sum of thirds falls short of one, and the third request in time was refused."""
    limit, full_at, now = Limit(3.0, 1), -inf, 1000.0
    for _ in range(100):
        full_at, wait = take(limit, full_at, now)
        assert wait == 0
        now += 1 / 3


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_callers_do_not_take_from_each_other() -> None:
    rates = Rates(Clock())
    rates.charge("a", Limit(1.0, 1))
    rates.charge("b", Limit(1.0, 1))
    with pytest.raises(TooFast) as refused:
        rates.charge("a", Limit(1.0, 1))
    assert (refused.value.status, refused.value.retry_after_seconds) == (429, 1.0)
    assert "1 a second and 1 at once: wait 1 seconds" in str(refused.value)


def test_replicas_share_a_limit() -> None:
    rates = Rates(Clock())
    rates.replicas = 2
    for _ in range(5):
        rates.charge("a", Limit(10.0, 10))
    with pytest.raises(TooFast) as refused:
        rates.charge("a", Limit(10.0, 10))
    assert refused.value.retry_after_seconds == pytest.approx(0.2)
    assert Limit(10.0, 1).share(4) == Limit(2.5, 1)


def test_what_a_bulk_request_holds_is_let_through_at_once_and_waited_for_after() -> None:
    """A bulk request above the burst would otherwise never be answered, however long its sender waits."""
    clock, limit = Clock(), Limit(10.0, 5)
    rates = Rates(clock)
    rates.charge("a", limit)
    rates.debit("a", limit, 49)
    with pytest.raises(TooFast) as refused:
        rates.charge("a", limit)
    assert refused.value.retry_after_seconds == pytest.approx(4.6)
    rates.charge("b", limit)
    clock.now += 4.6
    rates.charge("a", limit)


def test_names_without_end_do_not_fill_the_memory_and_free_nobody_who_is_in_debt() -> None:
    clock = Clock()
    rates = Rates(clock, most_kept=100)
    slow, quick = Limit(0.001, 1), Limit(1000.0, 1)
    callers = [f"caller {number}" for number in range(1000)]

    def is_kept(caller: str) -> bool:
        try:
            rates.charge(caller, quick)
        except TooFast:
            return True
        return False

    rates.charge("slow", slow)
    for caller in callers:
        rates.charge(caller, quick)
    assert 50 <= len(list(takewhile(is_kept, reversed(callers)))) <= 100
    with pytest.raises(TooFast):
        rates.charge("slow", slow)
