import numpy as np

from benchmarks.explanations import table
from benchmarks.peers.explain import measure


def test_the_table_leaves_open_what_was_not_measured() -> None:
    lines = table([("ours", {1: 84.25, 65_536: 10.0}, 3e-6)])
    assert lines[0] == "| rows a call | 1 | 4 | 16 | 64 | 1,024 | 65,536 | largest difference |"
    assert lines[2] == "| ours | 84.2 |  |  |  |  | 10.0 | 3e-06 |"


def test_every_call_gets_other_rows() -> None:
    seen: list[float] = []

    def explain(rows: np.ndarray) -> np.ndarray:
        seen.append(float(rows[0, 0]))
        return rows

    measure(explain, np.arange(8.0).reshape(8, 1), 2)
    assert seen[:5] == [0.0, 2.0, 4.0, 6.0, 0.0]
