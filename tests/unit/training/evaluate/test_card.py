"""A card gives groups exact shares where there are rows enough, and says nothing where not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from windvane.cluster.model_card import Card, GroupFigures
from windvane.configs.schema import ModelSpec
from windvane.training.evaluate.card import LEAST_ROWS, fill, groups_of, wilson
from windvane.training.evaluate.evaluate import Bootstrap, OfflineComparison, OfflineRuling, compare
from windvane.training.order import Order
from windvane.training.rows.examples import Examples

TAGS = {"source": "loans.csv", "data_sha256": "ab", "code_revision": "dead", "environment": "python"}


def spec_of(**more: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "loans",
            "owner": "credit",
            "unit": "customer",
            "target": {"name": "bad"},
            "features": [{"name": "income", "type": "number", "reason": {"raises": "x"}}],
            "audit": [
                {"name": "race", "type": "category", "categories": ["white", "black"], "missing": True},
                {"name": "older", "type": "boolean", "missing": True},
            ],
            "data": {"source": "loans.csv"},
            "decision": {
                "actions": [{"name": "lend", "at_least": 0.0}, {"name": "refuse", "at_least": 0.5, "adverse": True}]
            },
            "training": {"bootstrap": 50},
            **more,
        }
    )


def examples(races: Sequence[str | None], older: Sequence[bool | None], labels: Sequence[bool]) -> Examples:
    table = pa.table({"race": pa.array(races, pa.string()), "older": pa.array(older, pa.bool_())})
    n = len(labels)
    return Examples(table, np.zeros((n, 1), np.float32), np.array(labels), np.arange(n, dtype=np.float64))


def groups(held: Examples, scores: Any, spec: ModelSpec | None = None) -> dict[str, GroupFigures]:
    found = groups_of(spec or spec_of(), held, np.asarray(scores, np.float64))
    return {f"{group.attribute}: {group.value}": group for group in found}


def test_every_row_is_in_one_group_of_each_attribute() -> None:
    held = examples(
        [*["white"] * 40, *["black"] * 10, None, "martian"], [*[True] * 30, *[False] * 20, None, None], [True] * 52
    )
    found = groups(held, [0.1] * 52)
    assert {name: group.rows for name, group in found.items()} == {
        "race: white": 40,
        "race: black": 10,
        "race: unknown": 2,
        "older: yes": 30,
        "older: no": 20,
        "older: unknown": 2,
    }


def test_shares_are_counted_and_metrics_compared_where_there_are_rows_enough() -> None:
    labels = [True] * 10 + [False] * 30
    scores = [0.9] * 6 + [0.2] * 4 + [0.7] * 3 + [0.1] * 27
    held = examples(["white"] * 40, [None] * 40, labels)
    white = groups(held, scores)["race: white"]
    assert (white.positives, white.shares["refuse"].value, white.shares["lend"].value) == (10, 9 / 40, 31 / 40)
    assert set(white.metrics) == {"auc", "brier", "calibration_error"}
    whole = compare(
        np.array(labels), np.array(scores), None, spec_of().decision, Bootstrap(50, spec_of().training.seed)
    )
    assert white.metrics["auc"].value == whole.candidate["auc"].value


def test_of_too_few_rows_nothing_is_said() -> None:
    few = LEAST_ROWS - 1
    held = examples(["black"] * few + ["white"] * 40, [None] * (few + 40), [False] * (few + 36) + [True] * 4)
    found = groups(held, np.linspace(0, 1, few + 40))
    assert (found["race: black"].shares, found["race: black"].metrics) == ({}, {})
    assert found["race: white"].shares
    assert found["race: white"].metrics == {}


@pytest.mark.parametrize(("count", "n"), [(0, 30), (30, 30), (4, 18), (17, 400)])
def test_a_shares_interval_is_wilsons(count: int, n: int) -> None:
    """Both ends lie 1.96 of their own standard errors from the share; tests/e2e/test_figures.py asks scipy."""
    found = wilson(count, n)
    for end in (found.low, found.high):
        assert (count / n - end) ** 2 == pytest.approx(1.959963984540054**2 * end * (1.0 - end) / n, abs=1e-14)
    assert 0.0 <= found.low < found.high <= 1.0
    assert found.low - 1e-12 <= count / n <= found.high + 1e-12


@dataclass(frozen=True)
class Judged:
    """A first version on the rows held out."""

    held: Examples
    ours: np.ndarray
    comparison: OfflineComparison
    ruling: OfflineRuling
    parent: int | None = None
    doubts: tuple[str, ...] = ("Its labels are young.",)


def card_of(spec: ModelSpec) -> Card:
    labels = [True] * 10 + [False] * 40
    held = examples(["white"] * 40 + ["black"] * 10, [True] * 50, labels)
    scores = np.linspace(0.9, 0.1, 50)
    comparison = compare(held.labels, scores, None, spec.decision, Bootstrap(50, 7))
    judged = Judged(held, scores, comparison, OfflineRuling("champion", "the first version"))
    return fill(Order("loans", "first"), spec, held, judged, TAGS, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_card_tells_what_is_declared_and_what_follows_from_the_figures() -> None:
    card = card_of(spec_of(limits=["Not abroad."], purposes=[{"name": "lending"}]))
    assert (card.owner, card.adverse, card.audited) == ("credit", ("refuse",), ("race", "older"))
    assert (card.rows.learnt, card.rows.held_out, card.rows.positives, card.rows.newest) == (50, 50, 10, "")
    assert card.approvals == ("champion: the first version",)
    assert card.limits[:2] == ("Not abroad.", "Its labels are young.")
    assert "Too few held-out rows to say anything of race: black (10 rows), older: no (0 rows)." in card.limits
    assert any(limit.startswith("Judged on 50 rows, 10 of them true: its AUC ") for limit in card.limits)
    assert any("no time" in limit for limit in card.limits)


def test_without_attributes_to_audit_by_nothing_is_known_of_groups() -> None:
    card = card_of(spec_of(audit=[]))
    assert card.groups == ()
    assert "No attribute is declared to audit by: nothing is known of how it treats groups." in card.limits
