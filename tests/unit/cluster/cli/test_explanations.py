"""`windvane explain` tells of a decision, and says so when the numbers are not those on record."""

from typing import Any

import pytest

from tests.worlds.admin.explanations import ADVERSE, PLAIN
from tests.worlds.rollout.world import MODEL
from tests.worlds.shell import Shell
from tests.worlds.shell import down as down
from tests.worlds.shell import up as up
from windvane.cluster.cli.explanations import lines


def told(found: Any) -> str:
    return "\n".join(lines(found))


def test_what_was_not_recorded_is_computed_now_and_said_to_be() -> None:
    assert (
        told(PLAIN)
        == """d1  2026-01-01T10:00:00  A7
loans version 3: keep, score 0.250000

Log-odds:
   -1.000000  base value
   +0.500000  Debts take 41 %
   -0.250000  home was not given
   -0.750000  in all

Version 3 gives the same score for this row.
Its contributions were not recorded; these are computed now."""
    )


def test_what_was_told_stands_first_and_is_held_against_the_version() -> None:
    assert told(ADVERSE).splitlines()[3:6] == [
        "What was told:",
        "  Debts take 41 %",
        "  None found within the searched changes, which were those of debt.",
    ]
    assert "those on record (largest difference 2e-15)" in told(ADVERSE)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"again": {**ADVERSE["again"], "prediction": 0.26}},
            "Version 3 gives a score of 0.260000, NOT the one on record, for this row.",
        ),
        (
            {"again": {**ADVERSE["again"], "largest_difference": 0.3}},
            "are NOT those on record: they differ by up to 0.300000",
        ),
        ({"again": {**ADVERSE["again"], "same_grounds": False}}, "it would be told otherwise than is on record"),
        ({"recorded": {"explanation": True, "grounds": False}}, "Not on record; as it would be told now:"),
    ],
)
def test_what_does_not_fit_the_record_is_said(changed: dict[str, Any], sentence: str) -> None:
    assert sentence in told({**ADVERSE, **changed})


@pytest.mark.parametrize(
    ("again", "code"),
    [
        ({}, 0),
        ({"prediction": 0.25 + 1e-7}, 0),
        ({"prediction": 0.26}, 1),
        ({"largest_difference": 0.3}, 1),
        ({"largest_difference": None}, 0),
        ({"same_grounds": False}, 0),  # the words were declared anew since it was trained
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_version_that_no_longer_says_what_is_on_record_ends_with_1(
    up: Shell, again: dict[str, Any], code: int, form: tuple[str, ...]
) -> None:
    """A script saw nothing of version files that were replaced under their number: 0.630 under "score 0.371"."""
    told: Any = {**ADVERSE, "again": {**ADVERSE["again"], **again}}
    up.world.records.told[MODEL, "d2"] = told
    shown = up("explain", "d2", "--model", MODEL, *form)
    assert shown.exit_code == code, shown.output
    assert '"decision_id": "d2"' in shown.stdout if form else "loans version 3: keep" in shown.stdout
