from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from windvane.configs.tables.moments import moments

NOON = datetime(2024, 3, 25, 17, 30, tzinfo=UTC)
DAY = datetime(2024, 3, 25, tzinfo=UTC)


def read(*values: Any, day_first: bool | None = None) -> list[Any]:
    """Moments read, with "wrong" for what is no moment."""
    found = moments(pa.chunked_array([pa.array(list(values))]), day_first)
    wrong = found.wrong.to_pylist()
    return ["wrong" if wrong[place] else value for place, value in enumerate(found.values.to_pylist())]


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-25T17:30:00Z", "2024-03-25T19:30:00+02:00", "2024-03-25T19:30+0200", "2024-03-25 17:30",
        "2024-03-25 17:30:00.000000000", "2024/3/25 17:30", "20240325T173000Z", "20240325173000", "202403251730",
        "03/25/2024 17:30", "3/25/2024 5:30 PM", "25.03.2024 17:30", "25.3.24, 17:30:00", "25/03/2024 17:30",
        "25 Mar 2024 17:30", "March 25, 2024 5:30 pm", "Mon, 25 Mar 2024 17:30:00 GMT", "25/Mar/2024:17:30:00 +0000",
        "1711387800", "1711387800.0", "1711387800000", "1711387800000000", "1711387800000000000",
    ],
)  # fmt: skip
def test_one_moment_in_the_ways_people_write_it(text: str) -> None:
    assert read(text, None) == [NOON, None]
    assert read(text, "n/a") == [NOON, None]


@pytest.mark.parametrize("text", ["2024-03-25", "20240325", "25.03.2024", "03/25/2024", "25-Mar-2024", "2024.03.25"])
def test_one_day_in_the_ways_people_write_it(text: str) -> None:
    assert read(text) == [DAY]


@pytest.mark.parametrize(
    "value",
    [1711387800, 1711387800.0, 1711387800000, 1711387800000000, 1711387800000000000, 20240325173000, NOON],
)
def test_numbers_are_unix_time_in_the_unit_their_size_tells_or_digits_of_the_calendar(value: Any) -> None:
    assert read(value, None) == [NOON, None]


def test_short_calendars() -> None:
    assert read(20240325) == [DAY]
    assert read(date(2024, 3, 25)) == [DAY]
    assert read(202403) == [datetime(2024, 3, 1, tzinfo=UTC)]
    assert read("2024-03") == [datetime(2024, 3, 1, tzinfo=UTC)]
    assert read(2024, 2025) == [datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)]


def test_a_date_that_does_not_exist_among_dates_of_a_calendar_is_wrong() -> None:
    assert read(20240325, 20240325, 20240230) == [DAY, DAY, "wrong"]
    assert read("20240325", "20240325", "0") == [DAY, DAY, "wrong"]


def test_seconds_that_began_with_the_recording_stay_seconds() -> None:
    assert read(0, 90) == [datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, 0, 1, 30, tzinfo=UTC)]


def test_microseconds_are_kept_and_what_is_finer_is_cut_off() -> None:
    assert read("2024-03-25 17:30:00.123456789") == [NOON.replace(microsecond=123456)]
    assert read(1711387800123456789) == [NOON.replace(microsecond=123456)]


def test_what_is_no_moment_is_told_row_by_row() -> None:
    assert read("2024-03-25", "soon", "2024-02-30", "2024-13-01", "25:00", "2024-03-25 24:61") == [DAY, *["wrong"] * 5]
    assert read(1711387800, 1711387800000, 1711387800) == [NOON, "wrong", NOON]
    assert read("9999-12-31", "2024-03-25") == ["wrong", DAY]
    assert read(True) == ["wrong"]


def test_days_and_months_are_told_apart_by_the_rows() -> None:
    third_of_april = datetime(2024, 4, 3, tzinfo=UTC)
    fourth_of_march = datetime(2024, 3, 4, tzinfo=UTC)
    assert read("03/04/2024", "25/03/2024") == [third_of_april, DAY]
    assert read("03/04/2024", "03/25/2024") == [fourth_of_march, DAY]
    assert read("03-04-2024", "25-03-2024") == [third_of_april, DAY]
    assert read("03.04.2024") == [third_of_april], "nobody puts points behind a month first"


def test_where_the_rows_do_not_tell_it_that_is_said_or_declared() -> None:
    column = pa.chunked_array([["03/04/2024", "01/02/2024"]])
    assert moments(column).ambiguous
    assert not moments(column, day_first=True).ambiguous
    assert read("03/04/2024", day_first=True) == [datetime(2024, 4, 3, tzinfo=UTC)]
    assert read("03/04/2024", day_first=False) == [datetime(2024, 3, 4, tzinfo=UTC)]
    assert not moments(pa.chunked_array([["03/03/2024"]])).ambiguous


def test_days_first_in_some_rows_and_months_in_others_is_wrong_in_the_fewer() -> None:
    assert read("25/03/2024", "03/25/2024") == [DAY, "wrong"]
