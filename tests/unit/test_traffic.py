"""Decisions and outcomes a day, and how late outcomes are, at any scale."""

import pytest

from configs.sized_plan import Traffic
from monitoring.traffic import TrafficMeter

DAY = 86_400.0


def metered(every_seconds: float, count: int, delay: float | None = None, start: float = 1e9) -> TrafficMeter:
    meter = TrafficMeter()
    moments = [start + every_seconds * number for number in range(count)]
    meter.add(moments, [] if delay is None else [(at, at + delay) for at in moments])
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
    meter.add(answered, [(at, DAY + 7200.0) for at in answered])
    assert meter.measured() == Traffic(600.0, 600.0, 85_000.0)


def test_outcomes_of_every_tenth_decision_are_a_tenth() -> None:
    meter = metered(1.0, 2000)
    meter.add([], [(10.0 * number, 10.0 * number + 5.0) for number in range(200)])
    assert meter.measured() == Traffic(86_000.0, 8600.0, 5.0)


def test_clocks_that_disagree_make_no_negative_delay() -> None:
    assert metered(1.0, 100, delay=-3.0).measured().label_delay_seconds == 0.0
