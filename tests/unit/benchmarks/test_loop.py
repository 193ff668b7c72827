"""A bound of the loop's bench is missed by the world that misses it, and by no other."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.loop.measure import Figures, daily, error_of
from benchmarks.loop.verdict import verdict

GOOD = Figures(
    world="flip",
    rows=48_000,
    days=160.0,
    loop=0.50,
    never=1.20,
    recent=0.70,
    everything=0.90,
    hindsight=0.48,
    beside_never=-0.7,
    beside_never_error=0.1,
    heals=True,
    days_to_heal=5.0,
    asked=1,
    false=0,
    quiet_days=0.0,
    grown=2,
    promoted=3,
    unproven=0,
    seconds=9.0,
)
QUIET = replace(GOOD, world="stationary", heals=None, days_to_heal=None, quiet_days=2_000.0, asked=0)
FLIGHTS = replace(GOOD, world="flights", heals=None, beside_before=0.002, beside_before_error=0.0015)


def missed(*found: Figures) -> list[str]:
    held, lines = verdict(found)
    assert held == (not any(line.startswith("MISSED") for line in lines))
    return [line.removeprefix("MISSED  ") for line in lines if line.startswith("MISSED")]


def test_a_good_run_misses_nothing() -> None:
    assert missed(GOOD, QUIET, FLIGHTS) == []


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (replace(GOOD, loop=1.19), "summed regret"),
        (replace(GOOD, loop=1.19), "best blind schedule"),
        (replace(GOOD, beside_never=0.3), "worse than never retrained"),
        (replace(GOOD, heals=False), "changes that were not healed: flip"),
        (replace(QUIET, false=3), "false retrainings: 3"),
        (replace(FLIGHTS, beside_before=0.004), "flights by +0.0040 ± 0.0015"),
    ],
)
def test_each_bound_can_be_missed(bad: Figures, told: str) -> None:
    others = [each for each in (GOOD, QUIET, FLIGHTS) if each.world != bad.world]
    lines = missed(bad, *others)
    assert any(told in line for line in lines), lines


def test_a_day_without_rows_is_like_the_one_before() -> None:
    assert daily(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 2])).tolist() == [2.0, 2.0, 5.0]


def test_the_error_is_that_of_weeks() -> None:
    weeks = np.repeat([0.0, 2.0], 7)
    assert error_of(weeks) == pytest.approx(np.sqrt(2.0) / np.sqrt(2.0))
