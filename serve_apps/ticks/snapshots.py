"""Keeps the newest snapshot of every model, as control's ticks bring it: who asks for figures waits for no monitor."""

import time
from collections.abc import Callable

from windvane.cluster.errors import Unavailable
from windvane.monitoring.counts.snapshot import Snapshot

FRESH_SECONDS = 15.0  # after which a figure is no figure any more


class Snapshots:
    """Belongs to control; any thread may put and ask."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._ticks = ticks
        self._fresh_seconds = fresh_seconds
        self._newest: dict[str, tuple[float, Snapshot]] = {}

    def put(self, model: str, snapshot: Snapshot) -> None:
        """Keep the model's newest snapshot."""
        self._newest[model] = self._ticks(), snapshot

    def snapshot(self, model: str) -> Snapshot:
        """The newest one; raises Unavailable when there is none of the last seconds."""
        found = self._newest.get(model)
        if found is None or self._ticks() - found[0] > self._fresh_seconds:
            raise Unavailable(
                f"The monitor of {model} was not heard of for {self._fresh_seconds:.0f} s; it restarts itself"
            )
        return found[1]
