from math import inf

from windvane.serve_apps.pipeline.cost_estimate import CostEstimate


def test_a_size_never_seen_takes_for_ever() -> None:
    estimate = CostEstimate()
    assert estimate.expected(1) == inf
    estimate.took(8, 0.001)
    assert [estimate.expected(rows) for rows in (7, 8, 15, 16)] == [inf, 0.001, 0.001, inf]


def test_one_slow_time_among_fast_ones_is_soon_forgotten() -> None:
    estimate = CostEstimate()
    estimate.took(64, 0.001)
    estimate.took(64, 0.009)
    assert estimate.expected(64) == 0.003
    for _ in range(20):
        estimate.took(64, 0.001)
    assert 0.001 < estimate.expected(64) < 0.0011
