from typing import Any

import pyarrow as pa
import pytest

from windvane.configs.drafting.column import Column, as_moment, read_columns


def column(values: list[Any], **others: list[Any]) -> Column:
    columns, _, _ = read_columns(pa.table({"x": values, **others}))
    return columns[0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", ""], "integer"), (["1.0", "2.0"], "number"), (["1,234", "5"], "integer"), (["1e3", "2"], "number"),
        (["$1.50", "$2"], "number"), (["13%", "2%"], "integer"), ([" ", "?", "\\N", "#N/A", "-", "7.5"], "number"),
        (["true", "False", "n/a"], "boolean"), (["WAHR", "FALSCH"], "boolean"), (["yes", "no"], "text"),
        (["a", "b"], "text"), (["01", "02"], "text"), (["1", "2", "3+"], "text"),
        (["2024-01-01", "2024-01-02 10:00"], "moment"), (["25.03.2024", "26.03.2024"], "moment"),
        (["03/25/2024 17:30", ""], "moment"), (["2024-03", "2024-04"], "moment"), (["1.2.3.4", "5.6.7.8"], "text"),
        ([1, 2], "integer"), ([1.5, None], "number"), ([True, None], "boolean"), ([[1], [2]], "other"),
    ],
)  # fmt: skip
def test_what_a_column_holds(values: list[Any], kind: str) -> None:
    assert column(values).kind == kind


def test_numbers_with_a_few_cells_that_are_none_are_told_and_no_text() -> None:
    values = [f"{number / 7:.3f}" for number in range(100)]
    values[3] = "Maria"
    found = column(values)
    assert found.kind == "other"
    assert found.unreadable == "is a number in 99 rows and none in 1; mend those, such as row 4: `Aaaaa`"


def test_one_decimal_sign_holds_for_the_whole_file() -> None:
    columns, decimal, contradicting = read_columns(pa.table({"x": ["1.234", "5.678"], "z": ["0,5", "1,5"]}))
    assert (decimal, contradicting) == (",", False)
    assert [one.values.to_pylist() for one in columns] == [[1234, 5678], [0.5, 1.5]]
    assert read_columns(pa.table({"x": ["1.5"], "z": ["0,5"]}))[2]


def test_thousands_and_decimals_that_nothing_tells_apart_are_doubted() -> None:
    doubt = ("could be meant in thousands or in decimals; it is read as 5.678 at most",)
    assert column(["1.234", "5.678"]).doubts == doubt
    assert column(["1.234", "5.678"], z=["12.5", "7"]).doubts == ()


def test_a_word_for_no_value_is_a_category_unless_numbers_of_the_file_say_otherwise() -> None:
    assert column(["None", "gold"]).values.to_pylist() == ["None", "gold"]
    assert column(["None", "gold"]).kept == ("None",)
    assert column(["NA", "north"], z=["1", "NA"]).values.to_pylist() == [None, "north"]
    assert column(["NA", "ZA"], z=["1", "NA"]).values.to_pylist() == ["NA", "ZA"], "a code of a country"
    assert column(["?", "", "gold", "\\N"]).values.to_pylist() == [None, None, "gold", None]


def test_percent_and_currencies_are_units() -> None:
    assert column(["13.5%", "2%"]).unit == "%"
    assert column(["$1", "2"]).unit == "$"
    assert column(["€1", "$1"]).kind != "number"


@pytest.mark.parametrize(
    ("name", "value", "moment"),
    [
        ("x", 20240301, True), ("x", 202403, True), ("x", 1711387800000, True), ("x", 1711387800000000, True),
        ("seen_at", 1711387800, True), ("x", 1711387800, False), ("x", 2024, False), ("x", 150000, False),
        ("day", 31, False), ("amount", 19990399, False),
    ],
)  # fmt: skip
def test_numbers_that_are_moments(name: str, value: int, moment: bool) -> None:
    columns, _, _ = read_columns(pa.table({name: [value, value]}))
    assert (as_moment(columns[0]) is not None) == moment
