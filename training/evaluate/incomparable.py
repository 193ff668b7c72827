"""Says why two versions cannot be compared on the rows that are left."""

from windvane.training.rows.examples import Examples

LEAST_COMPARED = 50  # rows, of both outcomes: fewer tell two versions apart by chance


def incomparable(number: int, unseen: Examples) -> str | None:
    """Reason why a champion cannot be compared on the rows it has not learnt from; None when it can."""
    if len(unseen) < LEAST_COMPARED:
        return f"champion {number} has learnt from all but {len(unseen)} of the rows held out: not compared"
    if unseen.labels.all() or not unseen.labels.any():
        only = "true" if unseen.labels.all() else "false"
        return f"all {len(unseen)} rows held out that champion {number} has not learnt from are {only}: not compared"
    return None
