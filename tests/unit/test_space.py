from datetime import timedelta

import numpy as np
import pyarrow as pa

from configs.schema import Training
from training.examples import Examples
from training.space import default_settings, points

LEARN = Examples(pa.table({"n": [1, 2]}), np.zeros((2, 1), np.float32), np.array([True, False]), np.array([0.0, 86400]))


def test_the_default_comes_first_and_the_rest_is_drawn_the_same_for_the_same_seed() -> None:
    tried = points(LEARN, Training(trials=4))
    assert tried[0] == default_settings(Training())
    assert tried == points(LEARN, Training(trials=4))
    assert tried != points(LEARN, Training(trials=4, seed=8))
    assert len(set(tried)) == 4


def test_every_trial_has_a_window_that_was_declared() -> None:
    hour = timedelta(hours=1)
    assert {each.window for each in points(LEARN, Training(trials=1, windows=(hour,)))} == {hour}


def test_the_default_never_grows_beyond_the_cap() -> None:
    assert default_settings(Training(max_rounds=10)).rounds == 10
