"""Assignment is sticky, monotone and fair."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.serve_apps.traffic.router import BUCKETS, Arm, Router, Split, bucket

weights = st.floats(0.0, 1.0).map(lambda weight: round(weight, 4))
units = st.text(min_size=1, max_size=20)


def router(weight: float, salt: str = "s", revision: int = 1) -> Router:
    return Router(Split("m", revision, salt, (Arm("candidate", 2, weight), Arm("champion", 1, 1.0 - weight))))


@settings(max_examples=60, deadline=None)
@given(units, weights)
def test_a_unit_stays_with_its_arm(unit: str, weight: float) -> None:
    place = bucket("s", unit)
    assert router(weight).pick(place) == router(weight, revision=9).pick(bucket("s", unit))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, BUCKETS - 1), weights, weights)
def test_raising_the_weight_never_moves_a_unit_back_to_the_champion(place: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    if router(low).pick(place).version == 2:
        assert router(high).pick(place).version == 2


@settings(max_examples=15, deadline=None)
@given(st.text(min_size=1, max_size=8), weights)
def test_shares_are_what_the_split_says(salt: str, weight: float) -> None:
    chosen = router(weight)
    share = sum(chosen.pick(bucket(salt, f"unit-{i}")).version == 2 for i in range(2000)) / 2000
    assert abs(share - weight) < 0.06  # five standard deviations of 2,000 units


@given(st.integers(0, BUCKETS - 1))
def test_zero_weight_never_gets_traffic(place: int) -> None:
    assert router(0.0).pick(place).version == 1
    assert router(1.0).pick(place).version == 2


def test_another_salt_makes_other_units_the_first() -> None:
    first = [{i for i in range(2000) if router(0.1).pick(bucket(salt, f"u{i}")).version == 2} for salt in "ab"]
    assert len(first[0] & first[1]) < 0.3 * len(first[0])


def test_a_split_that_gives_nobody_weight_is_refused() -> None:
    for arms in ((), (Arm("champion", 1, 0.0),), (Arm("candidate", 2, -0.5), Arm("champion", 1, 1.5))):
        with pytest.raises(ValueError, match="no arm a positive weight"):
            Router(Split("m", 1, "s", arms))
