"""Decisions and outcomes a day, and how late outcomes are, at any scale."""

import pytest

from windvane.configs.sized_plan import Traffic
from windvane.monitoring.counts.traffic import TrafficMeter

DAY = 86_400.0


def metered(every_seconds: float, count: int, delay: float | None = None, start: float = 1e9) -> TrafficMeter:
    meter = TrafficMeter()
    moments = [start + every_seconds * number for number in range(count)]
    meter.add(
        moments, [] if delay is None else [(at, at + delay, number % 2 == 0) for number, at in enumerate(moments)]
    )
    return meter


@pytest.mark.parametrize("a_day", [300.0, 600.0, 300_000.0, 8_600_000.0])
def test_a_steady_stream_is_measured_whatever_its_rate(a_day: float) -> None:
    assert metered(DAY / a_day, 5000, delay=DAY).measured() == Traffic(a_day, a_day, 86_000.0)


def test_too_few_say_nothing() -> None:
    assert metered(60.0, 9, delay=1.0).measured() == Traffic(None, None, None)
    assert metered(0.0, 500).measured() == Traffic(None, None, None)


def test_traffic_after_a_quiet_week_is_measured_by_what_comes_now() -> None:
    meter = metered(3600.0, 100)
    meter.add([2e9 + 0.01 * number for number in range(1000)], [])
    assert meter.measured().decisions_per_day == 8_600_000.0


def test_a_file_of_labels_every_night_is_a_days_and_not_a_seconds() -> None:
    meter = TrafficMeter()
    answered = [144.0 * number for number in range(600)]
    meter.add(answered, [(at, DAY + 7200.0, True) for at in answered])
    assert meter.measured() == Traffic(600.0, 600.0, 85_000.0)


def test_outcomes_of_every_tenth_decision_are_a_tenth() -> None:
    meter = metered(1.0, 2000)
    meter.add([], [(10.0 * number, 10.0 * number + 5.0, True) for number in range(200)])
    assert meter.measured() == Traffic(86_000.0, 8600.0, 5.0)


def test_clocks_that_disagree_make_no_negative_delay() -> None:
    assert metered(1.0, 100, delay=-3.0).measured().label_delay_seconds == 0.0


def classes(bad_days: float, good_days: float, days: int = 100) -> TrafficMeter:
    """Ten decisions a day, every other one bad; outcomes as they have come by the last of them."""
    meter, last = TrafficMeter(), days * DAY
    moments = [DAY / 10 * number for number in range(10 * days)]
    told = [
        (at, at + DAY * (bad_days if number % 2 else good_days), number % 2 == 1) for number, at in enumerate(moments)
    ]
    meter.add(moments, [each for each in told if each[1] <= last])
    return meter


def test_where_one_class_is_known_later_only_decisions_old_enough_for_both_count() -> None:
    before = classes(2.0, 20.0).both_known_before()
    assert before is not None
    assert 79.6 * DAY < before <= 79.9 * DAY


def test_classes_that_are_known_alike_need_no_such_moment() -> None:
    assert classes(20.0, 20.0).both_known_before() is None
    assert classes(18.0, 20.0).both_known_before() is None
    assert classes(0.0, 0.0).both_known_before() is None
    assert metered(1.0, 50, delay=1.0).both_known_before() is None, "too few of each"
