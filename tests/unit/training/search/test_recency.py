"""Older rows are forgotten where a change is known and they harm, and else only where that is surely better."""

import numpy as np
import pyarrow as pa

from windvane.configs.schema import Training
from windvane.training.rows.examples import Examples
from windvane.training.search.recency import Recency, choose

TRAINING = Training(max_rounds=40)


def examples(n: int, flip_at: float | None, seed: int = 1) -> Examples:
    rng = np.random.default_rng(seed)
    times = np.arange(n, dtype=np.float64)
    a = rng.normal(size=n)
    direction = np.ones(n) if flip_at is None else np.where(times >= flip_at, -1.0, 1.0)
    labels = rng.random(n) < 1 / (1 + np.exp(-2.0 * direction * a))
    return Examples(pa.table({"row": pa.nulls(n)}), a[:, None].astype(np.float32), labels, times)


def chosen(rows: Examples, since: float | None) -> Recency:
    check = 0.8 * len(rows)
    return choose(rows.before(check), rows.since(check), since, TRAINING, lambda _: None)


def test_after_a_flip_no_older_row_counts() -> None:
    assert chosen(examples(3_000, flip_at=2_000.0), since=2_000.0).step == 0


def test_where_nothing_changed_all_rows_count_although_a_change_was_suspected() -> None:
    told = chosen(examples(3_000, flip_at=None), since=2_950.0)
    assert told == Recency()


def test_without_a_known_change_all_rows_count_unless_forgetting_is_surely_better() -> None:
    assert chosen(examples(3_000, flip_at=None), since=None) == Recency()
    assert chosen(examples(3_000, flip_at=1_200.0), since=None).since is not None


def test_one_in_ten_of_the_older_rows_is_kept() -> None:
    kept = Recency(since=100.0, step=10).apply(examples(200, flip_at=None))
    assert len(kept) == 110
    assert kept.times[:3].tolist() == [0.0, 10.0, 20.0]
