"""Chooses the rows that a drift report sets side by side: a version's reference sample and the newest decisions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.errors import NotFound
from windvane.configs.schema import ModelSpec

REFERENCE = "reference.parquet"  # raw values that it was trained on, each column sorted by itself: of nobody a row


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two tables with the spec's features as columns, and what the reference is."""

    reference: pa.Table
    current: pa.Table
    wording: str


def compare(spec: ModelSpec, version: int, bundle: Path, log: Query, rows: int) -> Comparison:
    """The newest `rows` decisions against the bundle's sample, or against the version's first decisions without one."""
    current = _decisions(spec, log, "TRUE", "DESC", rows)
    if current.num_rows == 0:
        raise NotFound(f"The log of {spec.name} has no decision yet: send some and ask again")
    names = [feature.name for feature in spec.features]
    if (bundle / REFERENCE).exists():
        kept = pq.read_table(bundle / REFERENCE, columns=names)
        places = np.unique(np.linspace(0, kept.num_rows - 1, min(kept.num_rows, rows)).round().astype(np.int64))
        return Comparison(
            kept.take(pa.array(places)), current, f"a sample of the rows version {version} was trained on"
        )
    first = _decisions(spec, log, f"version = {int(version)}", "ASC", rows)
    if first.num_rows == 0:
        raise NotFound(f"Version {version} of {spec.name} has neither {REFERENCE} nor decisions to compare with")
    return Comparison(first, current, f"the first {first.num_rows} decisions of version {version}")


def comparable(spec: ModelSpec, comparison: Comparison) -> list[str]:
    """The features that have a value on both sides; raises NotFound when none has."""
    sides = (comparison.reference, comparison.current)
    kept = [
        feature.name
        for feature in spec.features
        if all(side.column(feature.name).null_count < side.num_rows for side in sides)
    ]
    if kept:
        return kept
    if all(feature.personal for feature in spec.features):
        raise NotFound(
            f"Every feature of {spec.name} is personal: neither the reference nor the log keeps them readable, so "
            "there is nothing to compare; the monitors count them all the same (`windvane status`)"
        )
    raise NotFound(f"No feature of {spec.name} has a value both in the reference and in the newest decisions")


def _decisions(spec: ModelSpec, log: Query, where: str, order: str, rows: int) -> pa.Table:
    # The names come from the declaration, which allows no quotation marks.
    columns = ", ".join(f'"x_{feature.name}" AS "{feature.name}"' for feature in spec.features)
    text = f"SELECT {columns} FROM decisions WHERE {where} ORDER BY event_time {order} LIMIT {int(rows)}"  # noqa: S608
    return log.sql(text)
