"""Rows of the log in a terminal: columns where they fit its width, else a block of `name  value` lines a row. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

GAP = 2  # blanks between columns
MOMENTS = ("recorded_at", "event_time")  # columns of Unix seconds, of which six digits tell no day


def lines(names: Sequence[str], rows: Sequence[Sequence[object]], width: int) -> list[str]:
    """The rows, never wider than `width` where a value is not.

    >>> lines(["action", "n"], [["keep", 1], ["warn", 20]], width=80)
    ['action  n', 'keep    1', 'warn    20']
    >>> lines(["action", "n"], [["keep", 1], ["warn", 20]], width=8)
    ['action  keep', 'n       1', '', 'action  warn', 'n       20']
    >>> lines(["recorded_at", "n"], [[1796122011.5, 1]], width=80)
    ['recorded_at          n', '2026-12-01 10:46:51  1']
    """
    heads = [shown(name) for name in names]
    told = [[_shown_under(name, value) for name, value in zip(names, row, strict=True)] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *told, strict=True)]
    if sum(widths) + GAP * (len(widths) - 1) <= width:
        return [(" " * GAP).join(map(str.ljust, row, widths)).rstrip() for row in (heads, *told)]
    longest = max(map(len, heads))
    blocks = [[f"{head.ljust(longest + GAP)}{value}" for head, value in zip(heads, row, strict=True)] for row in told]
    return [line for place, block in enumerate(blocks) for line in ([""] if place else []) + block]


def shown(value: object) -> str:
    """A value in one line: nothing as -, figures short, and no character that would steer the terminal.

    >>> shown(None), shown(0.12345678901), shown("a\\x1b[2Jb"), shown(["x", 2.0])
    ('-', '0.123457', 'a\\\\x1b[2Jb', 'x; 2')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return "; ".join(map(shown, value)) or "-"
    text = str(value)
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _shown_under(name: str, value: object) -> str:
    if name in MOMENTS and isinstance(value, float):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S}"
    return shown(value)


def decision(row: dict[str, Any]) -> list[object]:
    """Row of the log's view `asked` in 80 columns: when (UTC), id, version, score, action."""
    at = datetime.fromtimestamp(row["recorded_at"], UTC)
    denied = row.get("verdict") == "deny"
    version = f"v{row['version']}" if row["version"] else None
    action = f"denied {row['action'] or ''}".strip() if denied else row["action"]
    return [f"{at:%m-%d %H:%M:%S}", row["decision_id"], version, row["prediction"], action]


DECISION = ("at (UTC)", "decision", "by", "score", "action")
