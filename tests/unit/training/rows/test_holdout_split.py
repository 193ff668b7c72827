from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec
from windvane.training.rows.examples import Examples
from windvane.training.rows.holdout_split import slices

SPEC = ModelSpec.model_validate(
    {
        "name": "m",
        "owner": "o",
        "unit": "u",
        "target": {"name": "y"},
        "features": [{"name": "x", "type": "number"}],
        "data": {"source": "rows.csv", "time": "at"},
        "decision": {"actions": [{"name": "a", "at_least": 0.0}]},
        "training": {"holdout": "10s"},
    }
)


def examples(start: int, stop: int) -> Examples:
    times = np.arange(start, stop, dtype=np.float64)
    return Examples(pa.table({"x": times}), times[:, None].astype(np.float32), times % 2 == 0, times)


def test_the_newer_rows_check_what_the_older_taught() -> None:
    rows = examples(0, 100)
    cut = slices(SPEC, rows, rows)
    assert cut.held_from == 89.0
    spans = [(part.times[0], part.times[-1]) for part in (cut.learn, cut.check, cut.judged, cut.held, cut.served)]
    assert spans == [(0, 77), (78, 88), (0, 88), (89, 99), (0, 99)]


def test_rows_of_another_source_are_judged_on_the_declared_ones() -> None:
    cut = slices(SPEC, examples(0, 100), examples(20, 140))
    assert (cut.held.times[0], cut.held.times[-1]) == (89.0, 99.0)
    assert (cut.judged.times[-1], cut.served.times[-1]) == (88.0, 139.0)


def test_too_few_rows_are_refused_with_what_is_needed() -> None:
    with pytest.raises(
        Invalid, match=r"40 labelled rows, 20 with 'y' true .* are too few: training needs 100, with 10"
    ):
        slices(SPEC, examples(0, 40), examples(0, 40))
    rows = examples(0, 200)
    rare = replace(rows, labels=rows.times < 5)
    with pytest.raises(Invalid, match="200 labelled rows, 5 with 'y' true and 195"):
        slices(SPEC, rare, rare)


def test_after_a_change_only_rows_since_then_choose_and_judge() -> None:
    rows = examples(0, 1_000)
    cut = slices(SPEC, rows, rows, since=600.0)
    assert (cut.check.times[0], cut.check.times[-1]) == (800.0, 879.0)
    assert (cut.held.times[0], cut.held.times[-1]) == (880.0, 999.0)
    assert (cut.learn.times[0], cut.learn.times[-1]) == (0.0, 799.0)


def test_a_change_with_too_few_rows_is_judged_as_if_there_were_none() -> None:
    rows = examples(0, 1_000)
    assert slices(SPEC, rows, rows, since=950.0).held_from == slices(SPEC, rows, rows).held_from
    one_kind = replace(rows, labels=(rows.times % 2 == 0) & (rows.times < 700))
    assert slices(SPEC, one_kind, one_kind, since=600.0).held_from == slices(SPEC, one_kind, one_kind).held_from
