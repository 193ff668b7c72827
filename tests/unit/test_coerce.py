from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from cluster.errors import Invalid
from configs.schema import ModelSpec
from training.coerce import MOMENT, coerce


def spec(
    feature: dict[str, Any] | None = None, target: dict[str, Any] | None = None, time: str | None = None
) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "loans",
            "owner": "credit",
            "unit": "customer",
            "target": {"name": "bad", **(target or {})},
            "features": [{"name": "x", "type": "number", **(feature or {})}],
            "data": {"source": "loans.csv", "time": time},
            "decision": {"actions": [{"name": "grant", "at_least": 0.0}]},
        }
    )


def coerced(values: Any, **feature: Any) -> list[Any]:
    column = values if isinstance(values, pa.Array) else pa.array(values)
    table = pa.table({"x": column, "bad": [True] * len(column)})
    values = coerce(table, spec({"missing": True, **feature})).column("x").to_pylist()
    return list(values)


def test_numbers_come_from_integers_floats_and_decimals() -> None:
    assert coerced([1, None]) == [1.0, None]
    assert coerced([Decimal("1.50")]) == [1.5]
    assert coerced([float("nan"), 2.5]) == [None, 2.5]
    assert coerced(pa.nulls(2)) == [None, None]


def test_integers_may_come_as_whole_floats_and_keep_every_digit() -> None:
    assert coerced([1.0, None, 3.0], type="integer") == [1, None, 3]
    assert coerced([2**53 + 1], type="integer") == [2**53 + 1]


def test_booleans_come_from_words_and_0_and_1() -> None:
    assert coerced(["true", "No", None, "T"], type="boolean") == [True, False, None, True]
    assert coerced([1, 0], type="boolean") == [True, False]


def test_categories_come_from_text_codes_and_whole_floats() -> None:
    assert coerced([7, 8], type="category", categories=["7"]) == ["7", "8"]
    assert coerced([7.0, None], type="category", categories=["7"]) == ["7", None]
    assert coerced(pa.array(["a", "b"]).dictionary_encode(), type="category", categories=["a"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "feature", "sentence"),
    [
        (["1", "n/a"], {}, "Column 'x', row 2: 'n/a' is not a number"),
        (["1", "2"], {}, "Column 'x' holds string, and none is a number"),
        ([True], {}, "Column 'x', row 1: True is not a number"),
        ([1.0, float("inf")], {}, "Column 'x', row 2: inf is infinite or too large"),
        ([1e39], {}, "Column 'x', row 1: 1e[+]39 is infinite or too large"),
        ([1.0, 2.5], {"type": "integer"}, "Column 'x', row 2: 2.5 is not an integer"),
        ([2.0**63], {"type": "integer"}, "does not fit 64 bits"),
        (["maybe"], {"type": "boolean"}, "Column 'x', row 1: 'maybe' is not true or false"),
        ([1.5], {"type": "category", "categories": ["1"]}, "Column 'x', row 1: 1.5 is not an integer"),
        ([[1]], {"type": "category", "categories": ["1"]}, r"Column 'x', row 1: \[1\] is not text"),
        ([3, 1, None, 0], {"missing": False}, "Column 'x', row 3: the value is missing; say `missing: true`"),
        ([3, -1, -2], {"min": 0}, r"Column 'x', row 2: -1 is below min 0 \(and 1 more rows\)"),
        ([3, 101], {"max": 100}, "Column 'x', row 2: 101 is above max 100"),
    ],
)
def test_what_does_not_fit_its_declaration_is_named(values: list[Any], feature: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        coerced(values, **feature)


def test_rows_without_a_label_are_left_out_and_rows_are_still_counted_from_the_file() -> None:
    table = pa.table({"x": [1.0, 2.0, float("inf")], "bad": [None, True, False]})
    with pytest.raises(Invalid, match="row 3"):
        coerce(table, spec())
    assert coerce(table.slice(0, 2), spec()).to_pylist() == [{"x": 2.0, "bad": True}]


def test_a_text_target_is_true_where_it_is_the_positive_value() -> None:
    table = pa.table({"x": [1.0, 2.0], "bad": ["paid", "defaulted"]})
    assert coerce(table, spec(target={"positive": "defaulted"})).column("bad").to_pylist() == [False, True]
    with pytest.raises(Invalid, match=r"never 'late' .*it is: 'paid', 'defaulted'"):
        coerce(table, spec(target={"positive": "late"}))
    with pytest.raises(Invalid, match="'paid' is not true or false"):
        coerce(table, spec())


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-01T12:00:00Z"],
        ["2024-01-01T14:00:00+02:00"],
        ["2024-01-01 12:00:00"],
        [1_704_110_400],
        [1_704_110_400.0],
        pa.array([datetime(2024, 1, 1, 12)], pa.timestamp("s")),
        pa.array([datetime(2024, 1, 1, 12)], pa.timestamp("ns", tz="UTC")),
    ],
)
def test_every_way_to_write_a_moment_is_the_same_moment(values: Any) -> None:
    table = pa.table({"x": [1.0], "bad": [True], "at": values})
    column = coerce(table, spec(time="at")).column("at")
    assert column.type == MOMENT
    assert column.to_pylist() == [datetime(2024, 1, 1, 12, tzinfo=UTC)]


def test_a_row_without_a_readable_time_is_named() -> None:
    table = pa.table({"x": [1.0, 2.0], "bad": [True, True], "at": ["2024-01-01", "soon"]})
    with pytest.raises(Invalid, match="Column 'at', row 2: 'soon' is not a time"):
        coerce(table, spec(time="at"))
    table = pa.table({"x": [1.0, 2.0], "bad": [True, True], "at": ["2024-01-01", None]})
    with pytest.raises(Invalid, match="row 2: the value is missing; every row needs its event time"):
        coerce(table, spec(time="at"))
