from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.cluster.encoding import Encoder
from windvane.configs.schema import Feature

FEATURES = (
    Feature(name="speed", type="number", missing=True),
    Feature(name="seats", type="integer", missing=True),
    Feature(name="night", type="boolean", missing=True),
    Feature(name="origin", type="category", categories=("EWR", "JFK", "LGA", "é", ""), missing=True),
)
TYPES = (pa.float64(), pa.int64(), pa.bool_(), pa.string())

records = st.tuples(
    st.none() | st.floats(),
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(2**53 - 3, 2**53 + 65) | st.integers(2**24, 2**24 + 9),
    st.none() | st.booleans(),
    st.none()
    | st.sampled_from(("EWR", "JFK", "LGA", "é", "", "SFO", "jfk", " JFK", "NA", " n/a", "None"))
    | st.text(max_size=4),
)


def as_table(rows: list[tuple[Any, ...]], *, chunks: int = 1) -> pa.Table:
    schema = pa.schema([(feature.name, kind) for feature, kind in zip(FEATURES, TYPES, strict=True)])
    columns = [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(TYPES)]
    table = pa.Table.from_arrays(columns, schema=schema)
    half = len(rows) // 2
    return pa.concat_tables([table.slice(0, half), table.slice(half)]) if chunks == 2 else table


@settings(max_examples=120, deadline=None)
@given(st.lists(records, min_size=1, max_size=12), st.sampled_from((1, 2)))
def test_training_and_serving_encode_the_same_values_to_the_same_bits(rows: list[tuple[Any, ...]], chunks: int) -> None:
    encoder = Encoder(FEATURES)
    served, trained = encoder.rows(rows), encoder.table(as_table(rows, chunks=chunks))
    assert served.dtype == trained.dtype == np.float32
    assert served.shape == trained.shape == (len(rows), encoder.width)
    np.testing.assert_array_equal(served.view(np.uint32), trained.view(np.uint32))


def test_missing_is_nan_for_numbers_and_code_0_for_categories() -> None:
    row = Encoder(FEATURES).rows([(None, None, None, None)])[0]
    assert np.isnan(row[:3]).all()
    assert row[3] == 0


def test_an_undeclared_category_has_its_own_code() -> None:
    assert Encoder(FEATURES).rows([(1.0, 2, True, "SFO"), (1.0, 2, True, "EWR")])[:, 3].tolist() == [1.0, 2.0]


def test_a_text_that_stands_for_no_value_is_missing_where_that_may_be_and_is_not_declared() -> None:
    def codes(**more: Any) -> list[float]:
        feature = Feature(name="country", type="category", **{"categories": ("ZA",), **more})
        texts = ["NA", "None", " n/a", "", "ZA", "DE"]
        served = Encoder([feature]).rows([(text,) for text in texts])
        assert served.tolist() == Encoder([feature]).table(pa.table({"country": texts})).tolist()
        return list(served[:, 0])

    assert codes(missing=True) == [0, 0, 0, 0, 2, 1]
    assert codes() == [1, 1, 1, 1, 2, 1]
    assert codes(missing=True, categories=("ZA", "NA", "None")) == [3, 4, 0, 0, 2, 1]


def test_a_dictionary_column_encodes_like_plain_text() -> None:
    feature = Feature(name="origin", type="category", categories=("EWR", "JFK"), missing=True)
    plain = pa.table({"origin": ["JFK", None, "SFO"]})
    packed = pa.table({"origin": plain["origin"].combine_chunks().dictionary_encode()})
    assert Encoder([feature]).table(packed).tolist() == Encoder([feature]).table(plain).tolist() == [[3], [0], [1]]


def test_narrow_and_all_null_columns_encode_too() -> None:
    feature = Feature(name="seats", type="integer", missing=True)
    narrow = Encoder([feature]).table(pa.table({"seats": pa.array([7, None], pa.int8())}))
    assert narrow[0, 0] == 7
    assert np.isnan(narrow[1, 0])
    assert np.isnan(Encoder([feature]).table(pa.table({"seats": pa.nulls(2)}))).all()


def test_columns_are_found_by_name_in_the_spec_order() -> None:
    table = as_table([(1.5, 2, True, "JFK")]).select(["origin", "night", "seats", "speed"])
    assert Encoder(FEATURES).table(table).tolist() == [[1.5, 2.0, 1.0, 3.0]]


def test_no_records_give_no_rows() -> None:
    assert Encoder(FEATURES).rows([]).shape == (0, 4)


def test_beyond_float32_lies_infinity_on_both_sides() -> None:
    rows = [(1e300, 1, False, "EWR")]
    assert Encoder(FEATURES).rows(rows)[0, 0] == Encoder(FEATURES).table(as_table(rows))[0, 0] == np.inf


def test_a_table_without_a_feature_is_refused() -> None:
    with pytest.raises(KeyError, match="origin"):
        Encoder(FEATURES).table(as_table([(1.5, 2, True, "JFK")]).drop_columns(["origin"]))
