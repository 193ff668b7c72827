"""The field's limiter does what it says, and ours is asked as the product asks it."""

from benchmarks.admission.limiters import LATE, Aimd, Kind, Windvane

ROW = Kind(1, slo=0.1)


def test_aimd_takes_as_many_as_its_limit_and_one_more_after_each_answer_in_time() -> None:
    limiter = Aimd()
    taken = [limiter.enter(ROW, 0.0) for _ in range(Aimd.FIRST + 1)]
    assert taken == [0.0] * Aimd.FIRST + [None]
    limiter.leave(ROW, 0.0, LATE * ROW.slo)
    assert (limiter.limit, limiter.inside) == (Aimd.FIRST + 1, Aimd.FIRST - 1)


def test_aimd_takes_a_tenth_fewer_after_each_late_answer_and_never_nobody() -> None:
    limiter, limits = Aimd(), list[int]()
    for _ in range(40):
        assert limiter.enter(ROW, 0.0) is not None
        limiter.leave(ROW, 0.0, 1.01 * LATE * ROW.slo)
        limits.append(limiter.limit)
    assert limits[:5] == [9, 8, 7, 6, 5]
    assert limits[-1] == 1


def test_aimd_learns_nothing_from_an_answer_where_less_than_half_is_used() -> None:
    limiter = Aimd()
    limiter.enter(ROW, 0.0)
    limiter.leave(ROW, 0.0, 0.0)
    assert limiter.limit == Aimd.FIRST


def test_ours_refuses_by_the_time_that_is_left_and_takes_a_header_at_its_word() -> None:
    limiter = Windvane(0.1, lambda: 0.0)
    large, patient = Kind(10_000, slo=0.1), Kind(10_000, slo=2.0)  # 0.1 s each, at the pace that is taken at first
    assert limiter.enter(large, 0.0) is not None
    assert limiter.admit(large, 0.0)
    assert not limiter.admit(large, 0.0)
    assert limiter.admit(patient, 0.0)
    assert not limiter.admit(patient, 1.9)
