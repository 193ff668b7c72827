"""The variance between windows is what is left once the rows' own is taken off."""

import numpy as np
import pytest

from windvane.training.evaluate.window_effects import between_windows


@pytest.mark.parametrize("sd", [0.0, 0.02, 0.1])
def test_it_is_found_in_rows_that_vary_more_themselves(sd: float) -> None:
    rng = np.random.default_rng(3)
    times = np.repeat(np.arange(400.0), 200)
    values = np.repeat(rng.normal(0.0, sd, 400), 200) + rng.normal(0.0, 0.3, 80_000)
    windows, variance = between_windows(times, values, 1.0)
    assert windows == 400
    assert variance == pytest.approx(sd**2, rel=0.15, abs=5e-5)


def test_windows_of_few_rows_tell_nothing() -> None:
    assert between_windows(np.arange(100.0), np.arange(100.0), 10.0) == (0, 0.0)
    assert between_windows(np.zeros(100), np.arange(100.0), 10.0) == (1, 0.0)
