"""Selects decisions, denied ones too: filters and pages, as one SELECT with parameters. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from windvane.cluster.errors import Invalid


@dataclass(frozen=True, slots=True)
class Selection:
    """Every filter that is set must hold; oldest first. Times are Unix seconds, [since, until).

    Version 0 is what policy denied before any model was asked.
    """

    since: float | None = None
    until: float | None = None
    version: int | None = None
    action: str | None = None
    verdict: str | None = None  # allow, refer or deny
    decision_id: str | None = None
    subject: str | None = None  # its keyed hash
    after: str | None = None  # where the page before ended: what `mark` said of its last row
    limit: int = 100

    def sql(self) -> tuple[str, dict[str, Any]]:
        """The SELECT over `asked` and its parameters; raises Invalid for a mark that is none.

        >>> Selection(version=3, limit=5).sql()[1]
        {'version': 3, 'limit': 5}
        """
        given = {
            "recorded_at >= $since": ("since", self.since),
            "recorded_at < $until": ("until", self.until),
            "version = $version": ("version", self.version),
            "action = $action": ("action", self.action),
            "coalesce(verdict, 'allow') = $verdict": ("verdict", self.verdict),  # null before there were policies
            "decision_id = $decision_id": ("decision_id", self.decision_id),
            "subject = $subject": ("subject", self.subject),
        }
        held = {condition: pair for condition, pair in given.items() if pair[1] is not None}
        parameters: dict[str, Any] = dict(held.values())
        conditions = list(held)
        if self.after is not None:
            parameters["last_at"], parameters["last_id"] = place_of(self.after)
            conditions.append("(recorded_at, decision_id) > ($last_at, $last_id)")
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        parameters["limit"] = self.limit
        text = f"SELECT * FROM asked {where} ORDER BY recorded_at, decision_id LIMIT $limit"  # noqa: S608  values are parameters
        return text, parameters


def mark(row: Mapping[str, Any]) -> str:
    """Key that marks this row as a page's end.

    >>> mark({"recorded_at": 1.5, "decision_id": "d1"})
    '1.5/d1'
    """
    return f"{row['recorded_at']!r}/{row['decision_id']}"


def place_of(after: str) -> tuple[float, str]:
    """When the row that `mark` marked was recorded, and its decision's id; raises Invalid for a mark that is none."""
    at, slash, decision_id = after.partition("/")
    try:
        if not slash:
            raise ValueError("it has no `/`")
        return float(at), decision_id
    except ValueError as error:
        raise Invalid(f"{after[:60]!a} marks no place: send what the page before gave as `next`") from error
