"""What drift reports compare with holds the values that were learnt from, and of nobody a row."""

import numpy as np
import pyarrow as pa
import pytest

from tests.worlds.observations import SPEC
from windvane.training.export.export import SAMPLE_ROWS, sample
from windvane.training.rows.examples import Examples

ROWS = 40
TEMPS = np.random.default_rng(5).permutation(ROWS).astype(float)
ORIGINS = [None if temp % 9 == 0 else ("JFK" if temp % 2 else "EWR") for temp in TEMPS]


def learnt(temps: list[float], origins: list[str | None]) -> Examples:
    table = pa.table({"temp": temps, "origin": origins, "label": [True] * len(temps)})
    n = len(temps)
    return Examples(table, np.zeros((n, 2), np.float32), np.zeros(n, bool), np.arange(n, dtype=float))


def test_each_column_has_the_values_that_came_and_stands_in_an_order_of_its_own() -> None:
    """An erasure does not reach it, and it held 5,000 rows as they came."""
    kept = sample(learnt(TEMPS.tolist(), ORIGINS), SPEC)
    assert kept["temp"].to_pylist() == sorted(TEMPS)
    here = [origin for origin in ORIGINS if origin is not None]
    assert kept["origin"].to_pylist() == [*sorted(here), *[None] * (ROWS - len(here))]
    assert kept.column_names == ["temp", "origin"]


@pytest.mark.parametrize("kind", [pa.bool_(), pa.int64(), pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_columns_of_every_type_are_kept(kind: pa.DataType) -> None:
    values: list[object] = [True, False] if pa.types.is_boolean(kind) else [2, 1] if kind == pa.int64() else ["b", "a"]
    examples = learnt([1.0, 2.0], ["x", "y"])
    table = examples.table.set_column(0, "temp", pa.array(values, kind))
    kept = sample(Examples(table, examples.rows, examples.labels, examples.times), SPEC)
    assert kept["temp"].to_pylist() == values[::-1]


def test_a_column_without_a_value_is_kept_so() -> None:
    examples = learnt([1.0, 2.0], ["x", "y"])
    table = examples.table.set_column(0, "temp", pa.nulls(2))
    kept = sample(Examples(table, examples.rows, examples.labels, examples.times), SPEC)
    assert kept["temp"].to_pylist() == [None, None]


def test_personal_columns_stay_behind_and_a_long_table_is_thinned() -> None:
    personal = tuple(feature.model_copy(update={"personal": feature.name == "temp"}) for feature in SPEC.features)
    n = SAMPLE_ROWS * 2
    kept = sample(learnt([1.0] * n, ["JFK"] * n), SPEC.model_copy(update={"features": personal}))
    assert (kept.num_rows, kept["temp"].null_count, kept["origin"].null_count) == (SAMPLE_ROWS, SAMPLE_ROWS, 0)
