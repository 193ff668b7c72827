"""A history knows at each moment no more than was known then."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from windvane.backtest.history import History
from windvane.backtest.reading import read_history
from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec

DAY = 86_400.0
CSV = "at,x,y,told\n2024-01-01,1,1,2024-01-02\n2024-01-03,3,0,2024-02-02\n2024-01-02,2,1,2024-01-03\n"


def spec(folder: Path, **data: str) -> ModelSpec:
    (folder / "rows.csv").write_text(CSV)
    return ModelSpec.model_validate(
        {
            "name": "m",
            "owner": "o",
            "unit": "row",
            "target": {"name": "y"},
            "features": [{"name": "x", "type": "number"}],
            "data": {"source": str(folder / "rows.csv"), **data},
            "decision": {"actions": [{"name": "tell", "at_least": 0.0}]},
        }
    )


def test_rows_come_by_event_time_with_the_moment_their_label_became_known(tmp_path: Path) -> None:
    history = read_history(spec(tmp_path, time="at", known="told"))
    assert history.rows[:, 0].tolist() == [1, 2, 3]
    assert ((history.known - history.times) / DAY).tolist() == [1, 1, 30]


def test_without_a_column_labels_take_the_delay_that_is_given(tmp_path: Path) -> None:
    history = read_history(spec(tmp_path, time="at"), label_delay=timedelta(days=3))
    assert ((history.known - history.times) / DAY).tolist() == [3, 3, 3]


def test_a_model_without_times_cannot_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"declares no `data\.time`"):
        read_history(spec(tmp_path))


def test_what_is_learnable_was_asked_and_known_by_then() -> None:
    times = np.arange(4, dtype=np.float64) * DAY
    history = History(np.zeros((4, 1), np.float32), np.array([0, 1, 0, 1], bool), times, times + 2 * DAY)
    assert history.learnable(until=3 * DAY, now=3.5 * DAY).times.tolist() == [0.0, DAY]


def test_the_delay_is_that_of_the_slower_class_of_what_was_known_by_then() -> None:
    times = np.zeros(40)
    labels = np.arange(40) % 2 == 0
    history = History(np.zeros((40, 1), np.float32), labels, times, np.where(labels, DAY, 9 * DAY))
    assert history.label_delay(20 * DAY) == 9 * DAY
    assert history.label_delay(5 * DAY) == DAY
