"""A small world whose rules change on a day: labelled rows before and after, for models nobody knows."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.worlds.bundles import Labelled
from windvane.cluster.encoding import Encoder
from windvane.configs.schema import Feature

REGIONS = ("north", "south", "west")
START = datetime(2026, 1, 1, tzinfo=UTC)
CHANGE = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """One subject with what is known when it is decided, and what happened."""

    subject: str
    at: datetime
    features: dict[str, Any]
    label: bool


def rows(count: int, since: datetime, until: datetime, seed: int) -> list[Row]:
    """Rows spread evenly over the span, in order; from CHANGE on `amount` means the opposite."""
    return list(stream(count, since, until, seed))


def stream(count: int, since: datetime, until: datetime, seed: int) -> Iterator[Row]:
    """The same rows, each made when it is asked for: traffic seldom comes to its end."""
    random = np.random.default_rng(seed)
    for index in range(count):
        at = since + (until - since) * (index / count)
        amount = float(np.round(random.normal(100.0, 30.0), 2))
        visits = int(random.integers(0, 20))
        region = REGIONS[int(random.integers(0, len(REGIONS)))]
        member = bool(random.random() < 0.4)
        direction = 1.0 if at < CHANGE else -1.0
        margin = direction * (amount - 100.0) / 15.0 + 0.1 * (visits - 10) + (0.8 if region == "south" else 0.0) - 0.5
        label = bool(random.random() < 1.0 / (1.0 + np.exp(-margin)))
        missing = random.random() < 0.03
        features = {
            "amount": None if missing else amount,
            "visits": visits,
            "region": region,
            "member": member,
        }
        yield Row(f"customer-{int(random.integers(0, 400))}", at, features, label)


def learnt(found: list[Row], features: Sequence[Feature]) -> Labelled:
    """The rows as a training job would see them."""
    records = [tuple(row.features[feature.name] for feature in features) for row in found]
    return Encoder(features).rows(records), np.array([row.label for row in found])


def write_csv(path: Path, found: list[Row]) -> None:
    """The rows as the CSV a newcomer would bring."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["customer", "seen_at", "amount", "visits", "region", "member", "churned"])
        for row in found:
            values = [row.features[name] for name in ("amount", "visits", "region", "member")]
            cells = [
                "" if value is None else str(value).lower() if isinstance(value, bool) else value for value in values
            ]
            writer.writerow([row.subject, row.at.isoformat(), *cells, "yes" if row.label else "no"])


def instance(row: Row) -> dict[str, Any]:
    """The row as one decision asked for."""
    return {"subject": row.subject, "features": row.features, "context": {"event_time": row.at.isoformat()}}


def days(count: int) -> timedelta:
    """So many days."""
    return timedelta(days=count)
