"""Order of a training job."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Order:
    """Train this model, for this reason, from these rows."""

    model: str
    reason: str = "manual"
    request_id: str | None = None
    until: datetime | None = None  # only rows before this event time
    since: datetime | None = None  # event time at which a change is taken to have begun
    source: str | None = None  # instead of data.source and the decision log
    query: str | None = None
    accept: bool = False  # do not reject it, whatever the offline comparison says


def read_order(arguments: Sequence[str] | None = None) -> Order:
    """The order on the command line.

    >>> read_order(["--model", "flight-delay", "--until", "2013-04-15"]).until
    datetime.datetime(2013, 4, 15, 0, 0, tzinfo=datetime.timezone.utc)
    """
    parser = argparse.ArgumentParser(
        prog="python -m windvane.training.retrain", description="Train and register one version."
    )
    parser.add_argument("--model", required=True, help="name of a YAML in configs/models")
    parser.add_argument("--reason", default="manual", help="why, as one sentence for the record")
    parser.add_argument("--request", help="retrain request that this job answers")
    parser.add_argument("--until", type=_moment, help="learn only from rows before this event time (ISO 8601, UTC)")
    parser.add_argument("--since", type=_moment, help="a change is taken to have begun at this event time")
    parser.add_argument(
        "--source", help="learn from these rows instead of data.source and the decision log; judged on the latter"
    )
    parser.add_argument("--query", help="the query when --source is a SQL URL")
    parser.add_argument(
        "--accept", "--override-gate", action="store_true", help="register it even where the comparison says no"
    )
    given = parser.parse_args(arguments)
    return Order(
        given.model,
        given.reason,
        given.request,
        given.until,
        given.since,
        given.source,
        given.query,
        given.accept,
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
