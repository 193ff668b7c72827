"""Admits requests that will probably be answered in time; refuses the rest at once and says when to come again.

A request is predicted to take the time of the work that is before it and its own:

    seconds = correction x pace x (work waiting + its own)

`pace` is CPU seconds of this process per unit of work, learned while something waits, so that it holds everything a
request costs here and nothing of an idle wait for a disk. Refusing is work, too: else the time that it takes would make
answers look slow, more would be refused for that, and in the end nearly everything. `correction` is what answers really
took over what they were predicted to, learned only when there was a queue: it holds other processes' share of the
machine. Against that stands the time that is left of what the request may take. What sat in a socket has waited for a
few turns of the event loop before we saw it: where nobody says how long (our HAProxy does), that is `unseen`.
"""

import math
import time
from collections.abc import Callable

from windvane.cluster.errors import Expired, Overloaded

REQUEST_WORK = 16  # rows whose decision costs as much CPU as one request's way through the server and back
REFUSAL_WORK = 11  # the same of a request that is refused before it is read
HIDDEN_TURNS = 2.0  # turns of the loop between a request's arrival at the socket and at the endpoint
HEADROOM = 0.6  # share of its time that a large request may be predicted to take; the rest is for what no mean predicts
FIRST_PACE = 10e-6  # seconds of CPU per unit of work, until some was measured
PACE_MEMORY = 0.5  # seconds of CPU after which a measurement counts half
TURN_MEMORY, ANSWER_MEMORY, SIZE_MEMORY = 4, 256, 16  # turns, answers, requests that an average goes back
QUEUE_SHARE = 0.1  # of the patience; only predictions above it say something about the correction
LEAST_SHARE = 0.2  # of the patience that is given to who has lost the rest before we saw it: a stall is no queue
LEAST_CORRECTION, MOST_CORRECTION = 0.5, 4.0
MOST_OFF = 2.0  # that one answer may say it was off: a stall of the machine must not refuse everybody


class Admission:
    """Counts what one replica has taken and not answered; `now` and deadlines are seconds of one monotonic clock.

    What arrives when nothing waits is always taken, whatever is predicted: so that it can be answered at all, and so
    that the prediction learns.

    >>> admission = Admission(patience_seconds=0.05, most_rows=4096)
    >>> admission.admit(rows=4096, arrived=0.0, now=0.0)
    >>> admission.admit(rows=1, arrived=0.0, now=0.0)
    Traceback (most recent call last):
    windvane.cluster.errors.Overloaded: 4096 rows are waiting and 4096 may: come again in a second
    """

    def __init__(
        self, patience_seconds: float, most_rows: int, cpu_seconds: Callable[[], float] = time.process_time
    ) -> None:
        """`patience_seconds` is what a request without a deadline may be predicted to take."""
        self.rows = 0  # taken, not answered
        self.patience = patience_seconds
        self._most_rows = most_rows
        self._cpu_seconds = cpu_seconds
        self._work = 0.0  # of those rows
        self._refused = 0.0  # work that was done since then for who was refused
        self.inside = 0  # requests between their arrival at this process and the end of their reply
        self._size = 1.0 + REQUEST_WORK  # work of a usual request
        self._busy_seconds, self._busy_work = FIRST_PACE * 1000, 1000.0  # their ratio is the pace
        self._cpu = 0.0  # seconds when work was last finished, or began
        self._lag = 0.0
        self._correction = 1.0

    @property
    def pace(self) -> float:
        """Seconds of CPU per unit of work."""
        return self._busy_seconds / self._busy_work

    @property
    def unseen(self) -> float:
        """Seconds that a request has waited in its socket before the server saw it, lately."""
        return HIDDEN_TURNS * self._lag

    @property
    def correction(self) -> float:
        """Ratio of the time that answers took to the time predicted."""
        return self._correction

    @property
    def headroom(self) -> float:
        """Share of its time that a usual request may be predicted to take: more, the less refusing it saves."""
        return HEADROOM + (1.0 - HEADROOM) * min(1.0, REFUSAL_WORK / self._size)

    def left(self, waited: float) -> float:
        """Seconds that remain of the patience, and never nothing, for a request without a deadline of its own."""
        return max(self.patience - waited, LEAST_SHARE * self.patience)

    @property
    def is_busy(self) -> bool:
        """Whether anything waits, so that a request could be refused."""
        return self.inside > 0 or self.rows > 0

    @property
    def is_alone(self) -> bool:
        """Whether the request that is being decided is all that anybody waits for here."""
        return self.inside == 1 or (self.inside == 0 and self.rows == 1)  # 0: it came through Serve

    def enter(self, budget: float | None = None) -> float:
        """Let a request in, until it leaves, that may take so many seconds; returns what it is predicted to take.

        Without a budget it may take the patience, from when it came to its socket. Nothing of it needs to be read for
        that: it is taken for a usual one. Refusing it here costs least; raises Overloaded when it would not be
        answered in time, or too many rows wait.
        """
        seconds = self._predict(self._size)
        if self.is_busy:
            try:
                self._demand(seconds, self.left(self.unseen) if budget is None else budget, self.headroom)
                if self.rows >= self._most_rows:
                    raise self._full()
            except Overloaded:
                self._refused += REFUSAL_WORK
                raise
        self.inside += 1
        return seconds

    def leave(self, predicted: float = 0.0, took: float = 0.0) -> None:
        """Its reply is on its way, or it has gone; an answer tells what it was predicted to take, and took."""
        self.inside -= 1
        if predicted > QUEUE_SHARE * self.patience:
            # `predicted` holds the correction of its time: what is wrong with it is how far it was off.
            off = min(max(took / predicted, 1.0 / MOST_OFF), MOST_OFF)
            corrected = self._correction * (1.0 + (off - 1.0) / ANSWER_MEMORY)
            self._correction = min(max(corrected, LEAST_CORRECTION), MOST_CORRECTION)

    def admit(self, rows: int, arrived: float, now: float, deadline: float | None = None) -> None:
        """Take a request of that many rows that came to the endpoint then, now that it was read.

        Raises Overloaded when that is too long or too many rows wait, Expired when its deadline has passed.
        """
        work = rows + REQUEST_WORK
        seconds = self._predict(work)
        if deadline is not None and deadline <= now:
            raise Expired("The request's deadline has passed: send it again, or allow it more time", seconds)
        if self.rows:
            self._demand(seconds, self.left(now - arrived) if deadline is None else deadline - now)
            if self.rows + rows > self._most_rows:
                raise self._full()
        if not self.rows:
            self._cpu, self._refused = self._cpu_seconds(), 0.0
        self.rows += rows
        self._work += work
        self._size += (work - self._size) / SIZE_MEMORY

    def finished(self, rows: int) -> None:
        """So many rows were answered or failed."""
        work = self._work * rows / self.rows
        cpu = self._cpu_seconds()
        spent = cpu - self._cpu
        kept = math.exp2(-spent / PACE_MEMORY)
        self._busy_seconds = self._busy_seconds * kept + spent
        self._busy_work = self._busy_work * kept + work + self._refused
        self._refused = 0.0
        self._cpu = cpu
        self.rows -= rows
        self._work = self._work - work if self.rows else 0.0

    def predict(self, rows: int) -> float:
        """Seconds until a request of that many rows, which arrives now, is answered."""
        return self._predict(rows + REQUEST_WORK)

    def turned(self, seconds: float) -> None:
        """The loop took so long to run what was due on its next turn; a single stall counts little."""
        self._lag += (min(seconds, 2.0 * self._lag + 0.001) - self._lag) / TURN_MEMORY

    def _predict(self, work: float) -> float:
        ahead = max(self._work, self.inside * self._size)  # those that are not admitted yet are ahead, too
        return self._correction * self.pace * (ahead + work)

    def _demand(self, seconds: float, budget: float, share: float = 1.0) -> None:
        if seconds > share * budget:
            raise Overloaded(
                f"An answer would take {1000.0 * seconds:.0f} ms and may take {1000.0 * share * budget:.3g}: "
                "come again in a second, or allow more in x-request-timeout-seconds",
                seconds,
            )

    def _full(self) -> Overloaded:
        return Overloaded(
            f"{self.rows} rows are waiting and {self._most_rows} may: come again in a second", self._predict(0.0)
        )
