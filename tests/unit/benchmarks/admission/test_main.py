"""A bound that ours misses is said, and nothing else is."""

from benchmarks.admission.__main__ import BOUNDS, LARGE, LIMITERS, RUNS, WORKLOADS, Result, missed, table

FINE = {
    (has_front, workload, limiter, *run): Result(good=1.1, p99=0.5)
    for has_front in (False, True)
    for workload in WORKLOADS
    for limiter in LIMITERS
    for run in RUNS
}


def test_only_what_ours_misses_is_told() -> None:
    assert list(missed(FINE)) == []
    low = FINE | {
        (False, LARGE, "AIMD", 2.0, False): Result(0.0, 9.0),
        (False, LARGE, "ours", 2.0, False): Result(0.5, 0.5),
    }
    assert list(missed(low)) == ["1,000 rows, 800 ms, without HAProxy, 2 x: 0.50 of 0.95, p99 0.50 SLO"]
    late = FINE | {(True, LARGE, "ours", 5.0, False): Result(1.0, 1.01)}
    assert list(missed(late)) == ["1,000 rows, 800 ms, behind HAProxy, 5 x: 1.00 of 0.95, p99 1.01 SLO"]


def test_every_bound_is_of_a_run_that_is_made() -> None:
    assert all((load, False) in RUNS for bounds in BOUNDS.values() for load, _ in bounds)


def test_the_table_has_a_line_for_each_workload_and_limiter() -> None:
    lines = list(table(FINE, has_front=True))
    assert len(lines) == 2 + len(WORKLOADS) * len(LIMITERS)
    assert lines[2] == "| 1 row, 50 ms | none |" + " 1.10, 0.50 |" * len(RUNS)
