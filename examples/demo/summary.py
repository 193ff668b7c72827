"""Summary of the demo: the figures a reader came for, and what it promised and did not keep."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from windvane.examples.demo.report import way_back


def broken_promises(found: dict[str, Any]) -> list[str]:
    """Promises that the demo did not keep; empty when it kept everything."""
    broken = []
    if found["failed_requests"]:
        broken.append(f"{found['failed_requests']} requests failed, the first with {found['first_error']}")
    promoted = [event for event in found["events"] if event["kind"] == "promoted"]
    if not promoted:
        broken.append("the loop promoted no version")
    if found["rollback"] is None:
        broken.append("the defective version was not taken back")
    if promoted and promoted[0]["event_time"]:
        month = promoted[0]["event_time"][:7]
        after = [row for row in found["monthly"] if row["month"] > month]
        count = sum(row["n"] for row in after)
        means = [sum(row[f"brier_{who}"] * row["n"] for row in after) / max(count, 1) for who in ("windvane", "frozen")]
        if not after or means[0] >= means[1]:
            broken.append(f"Brier after the first promotion: {means[0]:.4f} against {means[1]:.4f} never retrained")
    return broken


def summary(console: Console, found: dict[str, Any], folder: Path) -> None:
    """The figures a reader came for."""
    table = Table(title="AUC and Brier score on the same flights, by month", title_justify="left")
    for name in ("month", "flights", "AUC never retrained", "AUC Windvane", "Brier never retrained", "Brier Windvane"):
        table.add_column(name, justify="right")
    for row in found["monthly"]:
        figures = [f"{row[name]:.4f}" for name in ("auc_frozen", "auc_windvane", "brier_frozen", "brier_windvane")]
        table.add_row(row["month"], f"{row['n']:,}", *figures)
    console.print(table)
    console.print(
        f"{found['decisions']:,} decisions in {found['requests']:,} requests, {found['failed_requests']} failed, "
        f"{found['seconds']:.0f} s. {way_back(found['rollback'])}."
    )
    console.print(f"{folder / 'report.html'}\n{folder / 'report.json'}")
