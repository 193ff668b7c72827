"""A wait is held to its bound, and the last line says how it went."""

from benchmarks.patience_rows import Row, render, verdict
from benchmarks.patience_training import ROWS, table

GOOD, BAD = Row("windvane deploy", 4.0, 3.0, 5.0, "built +2.0 s"), Row("windvane up", 20.0, 14.0, 19.0, "starting Ray")


def test_a_wait_is_shown_beside_the_least_it_could_be_with_where_it_goes() -> None:
    head, first, where, second, _ = render([GOOD, BAD]).splitlines()
    assert head.split() == ["waited", "least", "bound"]
    assert first.split() == ["windvane", "deploy", "4.00", "s", "3.00", "s", "5.00", "s", "PASS"]
    assert where.strip() == "built +2.0 s"
    assert second.endswith("MISS")


def test_the_verdict_names_what_was_missed() -> None:
    assert verdict([GOOD]) == "PASS: 1 of 1 bounds hold"
    assert verdict([GOOD, BAD]) == ("MISS: windvane up took 20.0 s, and 19.0 s is the bound (1 of 2 bounds hold)")
    assert Row("", 5.0, 1.0, 5.0, "").holds


def test_the_rows_to_train_on_are_always_the_same_and_of_both_kinds() -> None:
    values, labels = table(ROWS["small"])
    assert (values == table(ROWS["small"])[0]).all()
    assert 0.4 < labels.mean() < 0.7
