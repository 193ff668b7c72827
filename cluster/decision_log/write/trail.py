"""The writer of what people and Windvane itself did: few records, each on disk before anybody goes on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

import msgspec

from windvane.cluster.clock import SYSTEM_CLOCK, Clock
from windvane.cluster.decision_log.record import Act, Value
from windvane.cluster.decision_log.write.rolling import RollingSegments, never
from windvane.cluster.decision_log.write.segment import frames, header_for
from windvane.cluster.errors import Unavailable

TRAIL = "control"  # the log of acts; no model can be called so


class Trail:
    """Belongs to one process and may be used by all of its threads."""

    def __init__(
        self,
        logs: Path,
        writer: str,
        clock: Clock = SYSTEM_CLOCK,
        signed_until: Callable[[], float] = never,
    ) -> None:
        """`writer` names this process and no other; the first act opens the first segment. See `RollingSegments`."""
        self.now = clock.now
        self._segments = RollingSegments(
            logs / TRAIL, header_for(TRAIL, writer, ()), clock=clock, signed_until=signed_until
        )
        self._lock = Lock()

    def record(self, *acts: Act) -> None:
        """Return when they are on disk, all in one group; raises Unavailable, and then none of them is."""
        with self._lock:
            refusal = self._segments.write(frames(map(msgspec.msgpack.encode, acts)))
            if refusal is None:
                self._segments.roll()
        if refusal is not None:
            raise Unavailable(refusal)

    def tell(self, kind: str, who: str, detail: str, model: str = "", facts: Mapping[str, Value] | None = None) -> None:
        """Record one act of this moment."""
        self.record(Act(self.now(), kind, who, model, None, detail, dict(facts or {})))

    def roll(self) -> None:
        """Close a segment that is old enough, so that it can be sealed; to be called every few seconds."""
        with self._lock:
            self._segments.roll()

    def close(self) -> None:
        """Let go of the segment."""
        with self._lock:
            self._segments.roll(now=True)
