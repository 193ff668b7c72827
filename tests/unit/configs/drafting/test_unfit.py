import numpy as np
import pyarrow as pa
import pytest

from windvane.configs.drafting.unfit import unfit

N = 400
rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("x", [1.5] * N, "has the same value in every row"),
        ("x", ["a", None] * N, "has the same value in every row that has one"),
        ("x", np.arange(N), "counts the rows, from 0 to 399"),
        ("x", np.arange(N, dtype=np.float64), "counts the rows, from 0 to 399"),
        ("x", rng.permutation(N), "numbers the rows: 400 different numbers between 0 and 399"),
        (
            "year",
            [2023.0, 2024.0] * N,
            "is a year of the calendar, and newer ones would lie beyond all that was learnt",
        ),
        ("account_id", rng.choice(10**7, N, False), "is different in nearly every row (400 values): an identifier"),
        (
            "x",
            [f"t{n}" for n in range(N)],
            "is different in nearly every row (400 values): a name, a note or an identifier",
        ),
        ("x", rng.normal(size=N), ""),
        ("x", rng.choice(10**7, N, False), ""),
        ("x", [True, False] * N, ""),
        ("model_year", [2023, 2024] * N, ""),
        ("year", ["a", "b"] * N, ""),
        ("x", np.arange(20), ""),
        ("x", [*range(N), None], ""),
    ],
)
def test_what_values_alone_make_unfit(name: str, values: object, why: str) -> None:
    assert unfit(name, pa.array(values)) == why
