from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec
from windvane.training.rows.coerce import MOMENT, coerce


def spec(
    feature: dict[str, Any] | None = None,
    target: dict[str, Any] | None = None,
    time: str | None = None,
    data: dict[str, Any] | None = None,
) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "loans",
            "owner": "credit",
            "unit": "customer",
            "target": {"name": "bad", **(target or {})},
            "features": [{"name": "x", "type": "number", **(feature or {})}],
            "data": {"source": "loans.csv", "time": time, **(data or {})},
            "decision": {"actions": [{"name": "grant", "at_least": 0.0}]},
        }
    )


def coerced(values: Any, data: dict[str, Any] | None = None, **feature: Any) -> list[Any]:
    column = values if isinstance(values, pa.Array) else pa.array(values)
    table = pa.table({"x": column, "bad": [True] * len(column)})
    values = coerce(table, spec({"missing": True, **feature}, data=data)).column("x").to_pylist()
    return list(values)


def test_numbers_come_from_integers_floats_and_decimals() -> None:
    assert coerced([1, None]) == [1.0, None]
    assert coerced([Decimal("1.50")]) == [1.5]
    assert coerced([float("nan"), 2.5]) == [None, 2.5]
    assert coerced(pa.nulls(2)) == [None, None]
    assert coerced([True, False, None]) == [1.0, 0.0, None]


def test_integers_may_come_as_whole_floats_and_keep_every_digit() -> None:
    assert coerced([1.0, None, 3.0], type="integer") == [1, None, 3]
    assert coerced([2**53, -(2**53)], type="integer") == [2**53, -(2**53)]
    assert coerced(pa.array([7], pa.uint64()), type="integer") == [7]


def test_text_is_read_as_people_write_it() -> None:
    assert coerced(["1,234.50", "$2.00", " ", "?", "\\N", "#N/A", "-", "(3)"]) == [1234.5, 2.0, *[None] * 5, -3.0]
    assert coerced(["1,234", "n/a ", "5.0"], type="integer") == [1234, None, 5]
    assert coerced(["WAHR", "nein", "1.0", ""], type="boolean") == [True, False, True, None]
    assert coerced(["1.234,50", "0,5"], data={"decimal": ","}) == [1234.5, 0.5]


@pytest.mark.parametrize("text", ["NA", "None", "-", "?"])
def test_a_declared_category_is_a_value_whatever_its_name_and_beside_it_the_same_text_is_missing(text: str) -> None:
    assert coerced([text, "x", None], type="category", categories=[text, "x"]) == [text, "x", None]
    assert coerced([text, "x", None], type="category", categories=["x"]) == [None, "x", None]
    table = pa.table({"x": [text, "1"], "region": [text, "x"], "bad": [True, False]})
    both = spec({"missing": True})
    region = both.features[0].model_copy(update={"name": "region", "type": "category", "categories": (text, "x")})
    columns = coerce(table, both.model_copy(update={"features": (*both.features, region)}))
    assert columns.column("x").to_pylist() == [None, 1.0]
    assert columns.column("region").to_pylist() == [text, "x"]


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
        (["1", "secret"], {}, "Column 'x', row 2: text of the shape `aaaaaa` is not a number"),
        (
            ["1,5"],
            {},
            "shape `9,9` is not a number; where decimals stand behind a comma, write `decimal: ','` under `data`",
        ),
        ([[1]], {}, r"Column 'x' holds list<.*>, and none is a number; convert it where it comes from"),
        ([1.0, float("inf")], {}, "Column 'x', row 2: the value is infinite or too large"),
        ([1e39], {}, "Column 'x', row 1: the value is infinite or too large"),
        (["1e400"], {}, "Column 'x', row 1: the value is infinite or too large"),
        ([1.0, 2.5], {"type": "integer"}, "Column 'x', row 2: the number is not an integer"),
        (
            [2**53 + 1],
            {"type": "integer"},
            r"Column 'x', row 1: the value lies beyond 2\^53, where neighbours look alike",
        ),
        ([2.0**63], {"type": "integer"}, r"the value lies beyond 2\^53"),
        (pa.array([2**64 - 1], pa.uint64()), {"type": "integer"}, r"the value lies beyond 2\^53"),
        (["18446744073709551615"], {"type": "integer"}, r"the value lies beyond 2\^53"),
        (["secret"], {"type": "boolean"}, "Column 'x', row 1: text of the shape `aaaaaa` is not true or false"),
        ([1.5], {"type": "category", "categories": ["1"]}, "Column 'x', row 1: the number is not an integer"),
        ([[1]], {"type": "category", "categories": ["1"]}, r"Column 'x' holds list<.*>, and none is text"),
        (["x" * 257], {"type": "category", "categories": ["1"]}, "row 1: the value has more than 256 characters"),
        ([3, 1, None, 0], {"missing": False}, "Column 'x', row 3: the value is missing; say `missing: true`"),
        (["3", "n/a"], {"missing": False}, "Column 'x', row 2: the value is missing; say `missing: true`"),
        ([3, -1, -2], {"min": 0}, r"Column 'x', row 2: the value is below min 0 \(and 1 more rows\)"),
        ([3, 101], {"max": 100}, "Column 'x', row 2: the value is above max 100"),
    ],
)
def test_what_does_not_fit_its_declaration_is_named(values: list[Any], feature: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence) as refusal:
        coerced(values, **feature)
    assert "secret" not in str(refusal.value)


def test_a_value_beyond_its_bounds_stands_nowhere_in_the_refusal() -> None:
    with pytest.raises(Invalid) as refusal:
        coerced([3, 987654321], max=100)
    assert str(refusal.value) == "Column 'x', row 2: the value is above max 100"
    with pytest.raises(Invalid) as refusal:
        coerced([-987654321, 3, -987654321], min=0)
    assert str(refusal.value) == "Column 'x', row 1: the value is below min 0 (and 1 more rows)"


def test_a_usual_range_refuses_nothing() -> None:
    assert coerced([-5.0, 1e9], usual=[0, 1]) == [-5.0, 1e9]


def test_everything_wrong_is_said_at_once() -> None:
    table = pa.table({"x": ["a"], "bad": ["maybe"], "at": ["soon"]})
    with pytest.raises(Invalid, match=r"'x', row 1: .* not a number; Column 'bad', row 1: .*; Column 'at', row 1: .*"):
        coerce(table, spec(time="at"))


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
    with pytest.raises(Invalid, match="shape `aaaa` is not true or false"):
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
    with pytest.raises(Invalid, match="Column 'at', row 2: text of the shape `aaaa` is not a time; write 2013"):
        coerce(table, spec(time="at"))
    table = pa.table({"x": [1.0], "bad": [True], "at": ["03/04/2024"]})
    with pytest.raises(Invalid, match=r"begin with the day or the month cannot be told .* write `day_first: true`"):
        coerce(table, spec(time="at"))
    known = coerce(table, spec(data={"time": "at", "day_first": True})).column("at").to_pylist()
    assert known == [datetime(2024, 4, 3, tzinfo=UTC)]
    table = pa.table({"x": [1.0, 2.0], "bad": [True, True], "at": ["2024-01-01", None]})
    with pytest.raises(Invalid, match="row 2: the value is missing; every row needs its event time"):
        coerce(table, spec(time="at"))
