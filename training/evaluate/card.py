"""Fills a version's card: what is declared of it, what it learnt from, and how it does on each group."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite, sqrt
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from windvane.cluster.model_card import Card, Figure, GroupFigures, TrainingRows, Use
from windvane.configs.schema import Attribute, ModelSpec
from windvane.training.evaluate.evaluate import (
    Bootstrap,
    Estimate,
    Labels,
    OfflineComparison,
    OfflineRuling,
    actions_of,
    compare,
)
from windvane.training.order import Order
from windvane.training.rows.examples import Examples

LEAST_ROWS = 30  # of a group, below which no figure says anything
LEAST_OF_EACH = 5  # true and false rows that a group's metrics need
COMPARED = ("auc", "brier", "calibration_error")
UNKNOWN = "unknown"
Z = 1.959963984540054  # standard deviations that hold the middle 95 % of a normal distribution

Floats = NDArray[np.float64]


class Judged(Protocol):
    """A version as it was judged on rows that were held out."""

    @property
    def held(self) -> Examples:
        """The rows."""

    @property
    def ours(self) -> Floats:
        """float[n] scores that it gave to them."""

    @property
    def comparison(self) -> OfflineComparison:
        """Its figures, beside the champion's."""

    @property
    def ruling(self) -> OfflineRuling:
        """How it stands by them."""

    @property
    def parent(self) -> int | None:
        """The champion's number."""

    @property
    def doubts(self) -> Sequence[str]:
        """Sentences that stand under its limits."""


def fill(
    order: Order, spec: ModelSpec, learnt: Examples, judged: Judged, tags: Mapping[str, str], now: datetime
) -> Card:
    """The card of a version that learnt from those rows; `tags` as `lineage.describe` has them."""
    comparison, ruling = judged.comparison, judged.ruling
    groups = tuple(groups_of(spec, judged.held, judged.ours))
    newest = datetime.fromtimestamp(float(learnt.times[-1]), UTC).isoformat() if spec.data.time else ""
    return Card(
        model=spec.name,
        description=spec.description,
        target=spec.target.name + (f" ({spec.target.description})" if spec.target.description else ""),
        unit=spec.unit,
        owner=spec.owner,
        made_at=now.isoformat(),
        reason=order.reason,
        parent=judged.parent,
        review_by=spec.review_by.isoformat() if spec.review_by else "",
        purposes=tuple(Use(use.name, use.description, use.consent) for use in spec.purposes),
        features=tuple(feature.name for feature in spec.features),
        personal=tuple(feature.name for feature in spec.features if feature.personal),
        audited=tuple(attribute.name for attribute in spec.audit),
        adverse=spec.decision.adverse,
        rows=TrainingRows(
            source=tags["source"],
            digest=tags["data_sha256"],
            learnt=len(learnt),
            held_out=comparison.n,
            positives=comparison.positives,
            newest=newest,
            code=tags["code_revision"],
            environment=tags["environment"],
        ),
        metrics=_figures(comparison.candidate),
        groups=groups,
        limits=(*spec.limits, *judged.doubts, *limits_of(spec, comparison, groups)),
        approvals=(f"{ruling.standing}: {ruling.why}",),
    )


def groups_of(spec: ModelSpec, held: Examples, scores: Floats) -> Iterator[GroupFigures]:
    """Every group of every audited attribute, with what can be said of it."""
    for attribute in spec.audit:
        for value, rows in _divided(attribute, held.table):
            yield _group(spec, attribute.name, value, held.labels[rows], scores[rows])


def limits_of(spec: ModelSpec, comparison: OfflineComparison, groups: Sequence[GroupFigures]) -> Iterator[str]:
    """Limits that follow from the figures themselves."""
    auc = comparison.candidate["auc"]
    if isfinite(auc.low) and isfinite(auc.high):
        low, high = f"{auc.low:.2f}", f"{auc.high:.2f}"
        told = f"may be anything from {low} to {high}" if low != high else f"is {low}"
        yield f"Judged on {comparison.n:,} rows, {comparison.positives:,} of them true: its AUC {told}."
    if not spec.data.time:
        yield "Its rows have no time: those held out are drawn at random, and nothing is known of change."
    if not spec.audit:
        yield "No attribute is declared to audit by: nothing is known of how it treats groups."
    few = [f"{group.attribute}: {group.value} ({group.rows:,} rows)" for group in groups if not group.shares]
    if few:
        yield f"Too few held-out rows to say anything of {', '.join(few)}."
    unclear = [f"{group.attribute}: {group.value}" for group in groups if group.shares and not group.metrics]
    if unclear:
        yield f"Too few true or false rows to say how well it does for {', '.join(unclear)}."
    if groups:
        yield "Intervals of groups are not corrected for their number; one in twenty misses by chance."


def wilson(count: int, n: int) -> Figure:
    """A share with its 95 % interval (E. B. Wilson, JASA 22, 1927).

    >>> print(wilson(4, 18))
    0.222 [0.090, 0.452]
    """
    share = count / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return Figure(share, max(0.0, middle - half), min(1.0, middle + half))


def _divided(attribute: Attribute, table: pa.Table) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """The places of each group's rows; whoever is in no declared group is unknown."""
    column = table.column(attribute.name)
    if attribute.type == "boolean":
        named = {"yes": pc.equal(column, True), "no": pc.equal(column, False)}
    else:
        named = {name: pc.equal(column, name) for name in attribute.categories}
    left = np.ones(table.num_rows, np.bool_)
    for name, found in named.items():
        mask = np.asarray(pc.fill_null(found, False))
        left &= ~mask
        yield name, np.flatnonzero(mask)
    if left.any():
        yield UNKNOWN, np.flatnonzero(left)


def _group(spec: ModelSpec, attribute: str, value: str, labels: Labels, scores: Floats) -> GroupFigures:
    rows, positives = len(labels), int(labels.sum())
    if rows < LEAST_ROWS:
        return GroupFigures(attribute, value, rows, positives, {}, {})
    names, chosen = actions_of(scores, spec.decision)
    shares = {name: wilson(int((chosen == place).sum()), rows) for place, name in enumerate(names)}
    if min(positives, rows - positives) < LEAST_OF_EACH:
        return GroupFigures(attribute, value, rows, positives, shares, {})
    bootstrap = Bootstrap(spec.training.bootstrap, spec.training.seed)
    known = compare(labels, scores, None, spec.decision, bootstrap).candidate
    return GroupFigures(attribute, value, rows, positives, shares, _figures({name: known[name] for name in COMPARED}))


def _figures(estimates: Mapping[str, Estimate]) -> dict[str, Figure]:
    """Those that are numbers: rows of one outcome have no AUC."""
    return {
        name: Figure(found.value, found.low, found.high)
        for name, found in estimates.items()
        if isfinite(found.value) and isfinite(found.low) and isfinite(found.high)
    }
