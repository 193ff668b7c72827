"""The simulated replica answers what it can, in its time, and shows an overload where nobody refuses."""

import random

import pytest

from benchmarks.admission.limiters import Aimd, Kind, Open
from benchmarks.admission.replica import FRONT_MOST, FRONT_SHARE, Replica, Workload

LARGE = Workload("1,000 rows", (Kind(1000, 0.8),), seconds=10.0)


def replica(is_slowed: bool = False, has_front: bool = False) -> Replica:
    return Replica(LARGE, is_slowed, has_front, random.Random(7))


@pytest.mark.parametrize(("load", "is_slowed", "share"), [(0.5, False, 0.5), (3.0, False, 1.0), (3.0, True, 0.85)])
def test_it_answers_what_is_asked_up_to_what_it_can(load: float, is_slowed: bool, share: float) -> None:
    """A machine that is slowed to half for three tenths of the time can do 0.85."""
    ran = replica(is_slowed)
    ran.run(Open(), load)
    assert len(ran.answers) * LARGE.request_seconds / ran.now == pytest.approx(share, abs=0.03)


def test_where_nobody_refuses_every_answer_is_late_in_the_end() -> None:
    ran = replica()
    ran.run(Open(), 2.0)
    waits = [took for at, took, _ in ran.answers if at > 5.0]
    assert min(waits) > LARGE.kinds[0].slo


def test_behind_the_queue_an_answer_waits_no_longer_than_its_share_and_the_places_before_it() -> None:
    ran = replica(has_front=True)
    ran.run(Open(), 5.0)
    longest = FRONT_SHARE * LARGE.kinds[0].slo + 1.1 * (FRONT_MOST + 1) * LARGE.request_seconds
    assert max(took for _, took, _ in ran.answers) < longest


@pytest.mark.parametrize("has_front", [False, True])
def test_the_same_seed_gives_the_same_run(has_front: bool) -> None:
    first, second = replica(has_front=has_front), replica(has_front=has_front)
    for ran in (first, second):
        ran.run(Aimd(), 2.0)
    assert first.answers == second.answers
    assert first.inside == second.inside >= 0
