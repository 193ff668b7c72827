import pyarrow as pa
import pytest

from windvane.configs.tables.numbers import Decimal, decimal_of, looks_like_code, numbers


def read(*texts: str | None, decimal: Decimal = ".") -> tuple[list[float | None], list[int], str]:
    """The values, the places of what is no number, and the unit."""
    found = numbers(pa.chunked_array([pa.array(list(texts), pa.string())]), decimal)
    wrong = [place for place, bad in enumerate(found.wrong.to_pylist()) if bad]
    return found.values.to_pylist(), wrong, found.unit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7), ("-3.5", -3.5), ("+1", 1), (".5", 0.5), ("5.", 5), ("1e-5", 1e-5), ("1E6", 1e6), (" 12 ", 12),
        ("1,234.50", 1234.5), ("1,234,567", 1234567), ("12,34,567.5", 1234567.5), ("1 234", 1234),
        ("1\u00a0234", 1234), ("1\u202f234.5", 1234.5), ("1'234.50", 1234.5), ("1_000", 1000),
        ("$12.00", 12), ("-$4", -4), ("$-3", -3), ("($5.50)", -5.5), ("(7)", -7), ("5-", -5), ("\u22125", -5),
        ("€ 5", 5), ("100 USD", 100), ("CHF 1'000", 1000), ("£1,000.99", 1000.99), ("12 kr", 12), ("13.5%", 13.5),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(text: str, value: float) -> None:
    assert read(text)[:2] == ([value], [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,50", 1234.5), ("0,5", 0.5), ("-3,25 €", -3.25), ("1.234.567", 1234567), ("12 345,6", 12345.6),
        ("13,5 %", 13.5), ("7", 7), ("1,5e3", 1500),
    ],
)  # fmt: skip
def test_numbers_with_a_decimal_comma(text: str, value: float) -> None:
    assert read(text, decimal=",")[:2] == ([value], [])


@pytest.mark.parametrize(
    "text",
    ["abc", "1,23", "01,234", "1,2345", "1.2.3", "--5", "+-5", "(5", "5)", "(-5)", "$5 $", "12 apples", "inf", "0x1F",
     "1,234.5.6", "2024-01-01", "10:30", "１２"],
)  # fmt: skip
def test_what_is_no_number(text: str) -> None:
    assert read(text, "1") == ([None, 1.0], [0], "")


def test_texts_for_no_value_are_missing_and_not_wrong() -> None:
    assert read("1", "n/a ", " ", "?", "-", "\\N", "#N/A", None) == ([1, *[None] * 7], [], "")


def test_one_unit_is_told_and_another_is_wrong() -> None:
    assert read("$1", "$2", "3") == ([1, 2, 3], [], "$")
    assert read("$1", "$2", "€3") == ([1, 2, None], [2], "$")


def test_percentages_beside_plain_numbers_could_be_either() -> None:
    assert read("13.5%", "2%", "-") == ([13.5, 2, None], [], "%")
    assert read("13.5%", "2%", "0.3") == ([13.5, 2, None], [2], "%")
    assert read("1", "2", "3%") == ([1, 2, None], [2], "")


@pytest.mark.parametrize(
    ("columns", "decimal"),
    [
        ([["1.5", "2"]], "."), ([["1,5", "2"]], ","), ([["1.234,5"]], ","), ([["1,234.5"]], "."), ([["7", "8"]], "."),
        ([["1,234"]], "."), ([["1.234"]], "."), ([["north", "south"], ["1,5"]], ","), ([["1,5"], ["1.5"]], None),
    ],
)  # fmt: skip
def test_the_decimal_sign_is_told_by_what_has_one_reading(columns: list[list[str]], decimal: str | None) -> None:
    assert decimal_of([pa.chunked_array([column]) for column in columns]) == decimal


def test_digits_behind_a_zero_are_a_code() -> None:
    assert looks_like_code(pa.chunked_array([["01234", "90210"]]))
    assert not looks_like_code(pa.chunked_array([["0", "0.5", "10", None]]))
