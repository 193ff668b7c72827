"""Decisions that made room in the monitor before their outcome came, as a sentence to be told. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from windvane.configs.sized_plan import in_words
from windvane.monitoring.counts.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Number of facts that a monitor has forgotten; its key is another at ten times as many."""

    model: str
    decisions: int
    kept: int  # decisions that wait for their outcome
    per_second: float | None

    @property
    def key(self) -> str:
        """The same for figures of as many digits."""
        return f"{self.model}/{10 ** (len(str(self.decisions)) - 1)}"

    def sentence(self) -> str:
        """Tells what was lost, what that means, and what to do.

        >>> print(Forgotten("loans", 12_345, 200_000, 0.5).sentence())
        12,345 decisions made room in the monitor before their outcome came: it keeps the newest 200,000 that wait, \
4 d 15 h of decisions at the present rate. Outcomes that come later count as unmatched: training finds them in the \
log, but no window and no rollout sees them. Report outcomes sooner, or retrain by time (`retrain.schedule`).
        """
        span = ""
        if self.per_second:
            span = f", {in_words(timedelta(seconds=self.kept / self.per_second))} of decisions at the present rate"
        many = "1 decision" if self.decisions == 1 else f"{self.decisions:,} decisions"
        return (
            f"{many} made room in the monitor before their outcome came: it keeps the newest "
            f"{self.kept:,} that wait{span}. Outcomes that come later count as unmatched: training finds them in the "
            "log, but no window and no rollout sees them. Report outcomes sooner, or retrain by time "
            "(`retrain.schedule`)."
        )


def forgotten(seen: Snapshot) -> Forgotten | None:
    """Forgotten decisions of that look; None where nothing was forgotten."""
    if not seen.waiting_dropped:
        return None
    return Forgotten(seen.model, seen.waiting_dropped, seen.waiting, seen.decisions_per_second)
