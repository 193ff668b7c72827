from datetime import timedelta

import numpy as np
import pyarrow as pa

from windvane.training.fit.settings import FitSettings
from windvane.training.rows.examples import Examples
from windvane.training.search.folds import folds_for, folds_of


def examples(labels: np.ndarray, start: int = 0) -> Examples:
    times = np.arange(start, start + len(labels), dtype=np.float64)
    return Examples(pa.table({"t": times}), times[:, None].astype(np.float32), labels, times)


EVEN = np.arange(2000) % 2 == 0
RARE = np.arange(2000) % 100 == 0


def test_a_newer_part_that_says_enough_is_left_out_alone() -> None:
    whole = examples(EVEN)
    (fold,) = folds_of(whole.before(1500), whole.since(1500), whole, several_windows=False)
    assert (len(fold.learn), fold.check.times[0]) == (1500, 1500)


def test_few_rows_of_one_outcome_leave_every_row_out_once() -> None:
    whole = examples(RARE)
    folds = folds_of(whole.before(1500), whole.since(1500), whole, several_windows=False)
    assert [int(fold.check.labels.sum()) for fold in folds] == [4] * 5
    assert sorted(np.concatenate([fold.check.times for fold in folds])) == list(range(2000))
    assert not any(set(fold.check.times) & set(fold.learn.times) for fold in folds)


def test_windows_are_compared_on_newer_rows_alone() -> None:
    whole = examples(RARE)
    assert len(folds_of(whole.before(1500), whole.since(1500), whole, several_windows=True)) == 1


def test_one_row_of_an_outcome_cannot_be_in_both_parts() -> None:
    whole = examples(np.arange(50) == 3)
    assert len(folds_of(whole.before(40), whole.since(40), whole, several_windows=False)) == 1


def test_settings_of_one_window_are_compared_on_every_row_and_those_of_several_on_newer_ones() -> None:
    whole = examples(RARE)
    learn, check = whole.before(1500), whole.since(1500)
    assert len(folds_for([FitSettings(), FitSettings(max_depth=3)], learn, check)) == 5
    assert len(folds_for([FitSettings(), FitSettings(window=timedelta(seconds=900))], learn, check)) == 1
