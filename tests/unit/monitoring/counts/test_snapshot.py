"""Rates are of the last seconds; before anything was shipped they are None."""

import numpy as np
import pytest

from windvane.monitoring.counts.shipment import LATENCY_BINS, Payload, TrafficPart, counts_to_bytes
from windvane.monitoring.counts.snapshot import RECENT_SECONDS, RecentRates


def shipped(decisions: int, place: int = 40) -> Payload:
    latency = np.zeros(LATENCY_BINS, np.int64)
    latency[place] = decisions
    return Payload("delay", [], [TrafficPart(1, 1, "champion", decisions, 0, {}, counts_to_bytes(latency))], [], {})


def test_nothing_shipped_is_no_rate() -> None:
    assert RecentRates().per_second(100.0) is None
    assert RecentRates().latency_ms(0.5) is None


def test_the_rate_is_of_the_last_seconds() -> None:
    rates = RecentRates()
    for second in range(60):
        rates.add("r1", shipped(30), float(second))
    assert rates.per_second(59.0) == pytest.approx(30.0 * 16 / RECENT_SECONDS)
    assert rates.per_second(59.0 + RECENT_SECONDS + 1) == 0.0


def test_replicas_that_fell_silent_are_not_counted() -> None:
    rates = RecentRates()
    rates.add("r1", shipped(1), 0.0)
    rates.add("r2", shipped(1), 14.0)
    assert rates.replicas(14.0) == 2
    assert rates.replicas(16.0) == 1


def test_latency_is_of_all_replicas_together() -> None:
    rates = RecentRates()
    rates.add("r1", shipped(99, place=8), 1.0)
    rates.add("r2", shipped(1, place=80), 1.0)
    assert rates.latency_ms(0.5) == pytest.approx(0.1)
    assert rates.latency_ms(0.995) == pytest.approx(0.05 * 2**10)
