"""Records callers that were not let in, or not let do something, each with its reason, however many come."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from windvane.cluster.callers.caller import Caller
from windvane.cluster.decision_log.record import Act, Value
from windvane.cluster.errors import Denied, Forbidden, TooFast, Unauthorized, WindvaneError

MOST_LINES, PERIOD_SECONDS = 60, 60.0  # of each caller, and of all who are not known: those beyond are counted
LONGEST_ROUTE, LONGEST_WHY = 120, 500
REFUSED = "refused"  # the kind of act that it is
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """One request that was refused for who sent it; nothing of the credential is in it."""

    route: str  # what was asked for, such as `POST /v2/models/trips/decide`
    status: int
    why: str
    caller: str | None  # None: not known
    key_id: str | None

    def line(self) -> str:
        """For people."""
        who = "nobody known" if self.caller is None else f"{self.caller!a} ({self.key_id or 'without a key'})"
        return f"{self.status} for {who} at {self.route!a}: {self.why}"

    def act(self, model: str, at: float) -> Act:
        """For the decision log."""
        facts: dict[str, Value] = {"order": self.route, "status": self.status, "key_id": self.key_id}
        return Act(at, REFUSED, self.caller or "", model, None, self.why[:LONGEST_WHY], facts)


class RefusalLog:
    """One per process."""

    def __init__(
        self,
        tell: Callable[[str], None] = logger.warning,
        ticks: Callable[[], float] = time.monotonic,
        record: Callable[[Refused], None] | None = None,
    ) -> None:
        """`record` puts on the decision log what is told; it may raise, and then the refusal stands all the same."""
        self._tell = tell
        self._ticks = ticks
        self._record = record
        self._since = ticks()
        self._lines: Counter[str | None] = Counter()  # by who was refused, in this period
        self.count = 0

    def note(self, error: WindvaneError, route: str, caller: Caller | None) -> bool:
        """Put it on record when it is about who calls; whether it was told, and not only counted."""
        if not isinstance(error, Unauthorized | Forbidden | TooFast):
            return False
        self.count += 1
        now = self._ticks()
        if now - self._since >= PERIOD_SECONDS:
            untold = sum(max(0, lines - MOST_LINES) for lines in self._lines.values())
            if untold:
                self._tell(f"{untold} more were turned away before this")
            self._since, self._lines = now, Counter()
        name, key_id = (None, None) if caller is None else (caller.name, caller.key_id)
        self._lines[name] += 1
        if self._lines[name] > MOST_LINES:
            return False
        refused = Refused(route[:LONGEST_ROUTE], error.status, str(error), name, key_id)
        self._tell(refused.line())
        if self._record is not None and not (isinstance(error, Denied) and error.decision_ids):  # which are on it
            try:
                self._record(refused)
            except WindvaneError as unrecorded:
                self._tell(f"A refusal is not on the decision log: {unrecorded}")
        return True
