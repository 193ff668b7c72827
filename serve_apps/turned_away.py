"""Who was not let in, or not let do something: in the log, each with its reason, however many come."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from cluster.callers.caller import Caller
from cluster.errors import Forbidden, TooFast, Unauthorized, WindvaneError

MOST_LINES, PERIOD_SECONDS = 60, 60.0  # of each caller, and of all who are not known: those beyond are counted
LONGEST_DOOR = 120
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """One request that was refused for who sent it; nothing of the credential is in it."""

    door: str  # what was asked for, such as `POST /v2/models/trips/decide`
    status: int
    why: str
    caller: str | None  # None: not known
    key_id: str | None

    def line(self) -> str:
        """For people."""
        who = "nobody known" if self.caller is None else f"{self.caller!a} ({self.key_id or 'without a key'})"
        return f"{self.status} for {who} at {self.door!a}: {self.why}"


class TurnedAway:
    """One per process."""

    def __init__(
        self, tell: Callable[[str], None] = logger.warning, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._ticks = ticks
        self._since = ticks()
        self._lines: Counter[str | None] = Counter()  # by who was refused, in this period
        self.count = 0

    def note(self, error: WindvaneError, door: str, caller: Caller | None) -> None:
        """Put it on record when it is about who calls; any other error is none of this."""
        if not isinstance(error, Unauthorized | Forbidden | TooFast):
            return
        self.count += 1
        now = self._ticks()
        if now - self._since >= PERIOD_SECONDS:
            untold = sum(max(0, lines - MOST_LINES) for lines in self._lines.values())
            if untold:
                self._tell(f"{untold} more were turned away before this")
            self._since, self._lines = now, Counter()
        name, key_id = (None, None) if caller is None else (caller.name, caller.key_id)
        self._lines[name] += 1
        if self._lines[name] <= MOST_LINES:
            self._tell(Refused(door[:LONGEST_DOOR], error.status, str(error), name, key_id).line())
