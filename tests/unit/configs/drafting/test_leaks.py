import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from windvane.configs.drafting.leaks import Suspicion, rises, suspicion, telling

N = 4000
rng = np.random.default_rng(0)
X = rng.normal(size=N)
Y = rng.random(N) < 1 / (1 + np.exp(-2 * X))


def told(values: object, labels: NDArray[np.bool_] = Y) -> str:
    return telling(pa.array(values, from_pandas=True), labels).sentence("y")


def test_a_good_column_is_no_leak() -> None:
    assert told(X) == ""
    assert told(np.where(X > 1, "high", "low")) == ""
    assert told(rng.normal(size=N)) == ""
    assert 0.85 < (telling(pa.array(X), Y).auc or 0) < 0.9


def test_a_column_that_alone_orders_the_label_is_one_whatever_its_shape() -> None:
    assert told(Y + rng.normal(size=N) / 10).startswith("alone tells 'y' with AUC 1.00")
    assert told(-3.0 * Y).startswith("alone tells 'y' with AUC 1.00")
    assert told(np.where(Y, X.round(1) % 2 + 5, 0)).startswith("alone tells 'y' with AUC 1.00")
    u = rng.uniform(-1, 1, N)
    assert told(u, np.abs(u) < 0.5).startswith("alone tells 'y' with AUC 1.00"), "neither rises nor falls with y"


def test_what_is_filled_only_with_an_outcome_is_known_only_with_it() -> None:
    reason = rng.choice(["price", "move"], N).astype(object)
    reason[~(Y & (rng.random(N) < 0.6))] = None
    assert told(reason) == "is filled only where 'y' is true, so it is known only afterwards"
    assert told(np.where(~Y, X, np.nan)) == "is filled only where 'y' is false, so it is known only afterwards"
    assert told(np.where(rng.random(N) < 0.6, X, np.nan)) == ""


def test_a_group_that_tells_one_outcome_for_certain_is_told() -> None:
    refunded = np.where(Y & (rng.random(N) < 0.4), rng.exponential(9, N), 0.0)
    assert told(refunded).startswith("tells 4")
    assert told(refunded).endswith("% of the rows where 'y' is true outright: was it known before?")


def test_too_few_labels_judge_nothing() -> None:
    few = np.zeros(N, np.bool_)
    few[:30] = True
    assert told(few.astype(float), few) == ""


@pytest.mark.parametrize(("sign", "least"), [(1, 0.98), (-1, -0.98)])
def test_what_moves_with_time(sign: int, least: float) -> None:
    time = np.arange(N, dtype=float)
    assert rises(sign * (time + rng.normal(size=N)), time) * sign >= least * sign
    assert abs(rises(X, time)) < 0.1
    assert rises(np.ones(N), time) == 0.0
    assert rises(time[:10], time[:10]) == 0.0


def suspected(values: object, labels: NDArray[np.bool_] = Y, time: str | None = None) -> list[Suspicion]:
    order = np.arange(len(labels), dtype=float)
    return list(suspicion(pa.array(values, from_pandas=True), pa.array(labels), order, "y", time))


@pytest.mark.parametrize("copy", [Y, ~Y, np.where(Y, "bad", "good"), np.where(Y, 7, 3)])
def test_the_target_under_another_name_is_nothing_to_learn_from(copy: object) -> None:
    assert suspected(copy) == [Suspicion("tells 'y' outright: with it there is nothing to predict", leave_out=True)]


def test_two_values_that_agree_in_a_few_rows_are_no_copy() -> None:
    assert suspected(["a", "b", "a"], np.array([True, False, True])) == []


def test_what_only_tells_when_a_row_was_written_is_left_out_where_the_time_is_known() -> None:
    rising = np.arange(N, dtype=float)
    [known], [doubt] = suspected(rising, time="at"), suspected(-rising)
    assert known == Suspicion("rises with at: newer rows would lie beyond all that was learnt", leave_out=True)
    assert doubt.what.startswith("falls along the rows")
    assert not doubt.leave_out
    assert suspected(X) == []
