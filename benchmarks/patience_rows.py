"""Waits beside the least they could be, and whether they are within the bound: as text."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One wait; all in seconds, `least` measured in the same run, `where` says where they go."""

    what: str
    seconds: float
    least: float
    limit: float
    where: str

    @property
    def holds(self) -> bool:
        """Whether it is within its bound."""
        return self.seconds <= self.limit


def render(rows: Sequence[Row]) -> str:
    """A line a row, and below it where the seconds go."""
    lines = [f"{'':<28}{'waited':>10}{'least':>10}{'bound':>10}"]
    for row in rows:
        figures = "".join(f"{value:>8.2f} s" for value in (row.seconds, row.least, row.limit))
        lines += [f"{row.what:<28}{figures}  {'PASS' if row.holds else 'MISS'}", f"    {row.where}"]
    return "\n".join(lines)


def verdict(rows: Sequence[Row]) -> str:
    """The last line.

    >>> verdict([Row("windvane up", 20.0, 14.0, 19.0, ""), Row("windvane deploy", 4.0, 3.0, 5.0, "")])
    'MISS: windvane up took 20.0 s, and 19.0 s is the bound (1 of 2 bounds hold)'
    >>> verdict([Row("windvane deploy", 4.0, 3.0, 5.0, "")])
    'PASS: 1 of 1 bounds hold'
    """
    missed = [row for row in rows if not row.holds]
    count = f"{len(rows) - len(missed)} of {len(rows)} bounds hold"
    if not missed:
        return f"PASS: {count}"
    each = "; ".join(f"{row.what} took {row.seconds:.1f} s, and {row.limit:.1f} s is the bound" for row in missed)
    return f"MISS: {each} ({count})"
