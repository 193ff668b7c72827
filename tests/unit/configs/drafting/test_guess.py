from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from windvane.configs.drafting.column import read_columns
from windvane.configs.drafting.guess import Guess, guess, widened

rng = np.random.default_rng(0)
N = 400


def guessed(name: str, values: Any) -> Guess:
    columns, _, _ = read_columns(pa.table({name: values}))
    return guess(columns[0])


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("rownames", range(500, 500 + N), "counts the rows, from 500 to 899"),
        ("x", range(N, 0, -1), "counts the rows, from 400 to 1"),
        ("x", rng.permutation(N), "numbers the rows: 400 different numbers between 0 and 399"),
        ("invoice", np.cumsum(rng.integers(1, 9, N)) + 10**6, "is a serial number: it rises with every row"),
        ("customer_id", rng.choice(10**7, N, False), "is different in nearly every row (400 values): an identifier"),
        (
            "note",
            [f"text {n}" for n in range(N)],
            "is different in nearly every row (400 values): a name, a note or an",
        ),
        ("period", ["2024-Q1", "2024-Q2"] * 200, "holds spans of the calendar, and newer ones will be unknown"),
        ("month", [202401, 202402] * 200, "is a moment, written as a number; derive what matters from it"),
        ("year", [2023, 2024] * 200, "is a year of the calendar, and newer ones would lie beyond all that was learnt"),
        ("zip", [f"{n % 40:05}" for n in range(N)], "tells where somebody lives, which may stand for race or origin"),
        ("big", rng.integers(2**60, 2**62, N), "holds whole numbers beyond 2^53, which a model cannot tell apart"),
        (
            "big",
            np.full(N, 2**64 - 1, np.uint64) - rng.integers(0, 9, N).astype(np.uint64),
            "holds whole numbers beyond",
        ),
        ("same", ["a"] * N, "has the same value in every row"),
        ("void", [""] * N, "is empty in every row"),
        ("endless", [1.0, float("inf")] * 200, "holds infinite or enormous values"),
    ],
)
def test_what_is_left_out_and_why(name: str, values: Any, why: str) -> None:
    found = guessed(name, pa.array(list(values)))
    assert (found.feature, found.audit) == (None, None)
    assert found.why.startswith(why)


@pytest.mark.parametrize(
    "values",
    [rng.integers(0, 9, N), rng.integers(0, 10**6, N), np.sort(rng.integers(18, 90, N)), rng.normal(size=N)],
)
def test_what_does_not_count_rows_is_a_feature(values: Any) -> None:
    found = guessed("x", pa.array(values)).feature
    assert found is not None
    assert (found.min, found.max) == (None, None)
    assert found.usual is not None
    assert found.usual[0] <= values.min() <= values.max() <= found.usual[1]


def test_a_year_of_something_is_a_number() -> None:
    assert guessed("year_built", rng.integers(1950, 2020, N)).feature is not None
    assert guessed("year", rng.integers(1, 4, N)).feature is not None


def test_protected_groups_are_audited_by_their_values_as_text() -> None:
    sex = guessed("sex", [1, 2, 2, None])
    assert sex.feature is None
    assert sex.audit is not None
    assert (sex.audit.categories, sex.audit.missing, sex.audit.protected) == (("2", "1"), True, True)
    married = guessed("married", [True, False, True]).audit
    assert married is not None
    assert married.type == "boolean"


@pytest.mark.parametrize(
    ("low", "high", "integer", "usual"),
    [
        (7e-05, 9e-05, False, (6.8e-05, 9.2e-05)), (2e17, 4e17, False, (1.8e17, 4.2e17)), (0, 1, True, (0, 1)),
        (5, 5, True, (4, 6)), (-10, -2, True, (-11, -1)), (0.2, 800.5, False, (0, 890)),
    ],
)  # fmt: skip
def test_usual_ranges_hold_what_was_seen_in_round_figures(
    low: float, high: float, integer: bool, usual: tuple[float, float]
) -> None:
    found = widened(low, high, integer)
    assert found[0] <= low <= high <= found[1]
    assert found == pytest.approx(usual, rel=0.1)
