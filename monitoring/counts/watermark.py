"""Tells how far event time has come, whatever a few wild times say. Pure."""

QUORUM = 10  # decisions that must lie in the newest windows, so that one wild time moves no clock
SHARE = 0.05  # of them and of those in the two windows before, so that neither do a dozen


def newest_window(rows: dict[int, int], share: float) -> int | None:
    """The newest window which, with those after it, holds ten rows and that share of them and of the two before."""
    ordered, seen = sorted(rows, reverse=True), 0
    for place, window in enumerate(ordered):
        seen += rows[window]
        beside = seen + sum(rows[older] for older in ordered[place + 1 : place + 3])
        if seen >= max(QUORUM, share * beside):
            return window
    return None
