"""False alarms as rare as promised, changes found quickly, and a single window never enough."""

import numpy as np

from windvane.monitoring.statistics.detector import Detector, observe, run_length

A = 2_000.0


def lengths(shift: float, runs: int, most: int, seed: int = 5) -> list[int]:
    rng = np.random.default_rng(seed)
    found = (run_length(rng.normal(shift, 1.0, most).tolist(), A) for _ in range(runs))
    return [most if length is None else length for length in found]


def test_the_expected_run_length_without_a_change_is_at_least_the_one_asked_for() -> None:
    assert np.mean(lengths(0.0, runs=40, most=4 * int(A))) >= A


def test_a_change_of_two_standard_errors_is_found_in_a_few_windows() -> None:
    assert np.mean(lengths(2.0, runs=40, most=200)) < 8


def test_a_single_window_is_never_enough_however_wild() -> None:
    assert observe(Detector(), 1e9, 0.01, 1, 600).evidence < A


def test_where_a_change_began_is_known() -> None:
    state = Detector()
    for window, z in enumerate([-1.0, 0.2, -0.5, 3.0, 2.5, 3.5]):
        state = observe(state, z, 0.01, window, 100, 30)
    assert (state.began, state.windows, state.rows, state.positives) == (3, 3, 300, 90)


def test_a_few_rare_events_are_not_taken_for_a_normal_variable() -> None:
    rng = np.random.default_rng(3)
    n, rate = 1_000, 0.005
    error = (rate * (1 - rate) / n) ** 0.5
    runs = []
    for _ in range(20):
        z = (rng.binomial(n, rate, 4_000) / n - rate) / error
        runs.append(run_length(z.tolist(), A, step=1 / (n * error)) or 4_000)
    assert np.mean(runs) >= A


def test_evidence_stays_a_number() -> None:
    state = Detector()
    for window in range(500):
        state = observe(state, 5.0, 0.01, window, 1)
    assert np.isfinite(state.evidence)
