"""The writer of a process: an append costs about a µs on the event loop, one thread puts whole groups on disk."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread, get_ident

import msgspec

from windvane.cluster.clock import SYSTEM_CLOCK, Clock
from windvane.cluster.decision_log.record import Record
from windvane.cluster.decision_log.write.group import Group, answer
from windvane.cluster.decision_log.write.limits import WRITER_LIMITS, WriterLimits
from windvane.cluster.decision_log.write.rolling import BROKEN, RollingSegments, never
from windvane.cluster.decision_log.write.segment import MAX_PAYLOAD_BYTES, Header, frames
from windvane.cluster.decision_log.write.write_ahead import NOTHING_AHEAD, WriteAhead
from windvane.cluster.errors import Invalid, TooLarge, Unavailable

logger = logging.getLogger(__name__)

_WRITER_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.#~-]{0,127}$")
LONGEST_HELD_SECONDS = 0.002  # that the disk may hold the loop up
RESPITE = 5.0  # when it held it up for longer it is left to the thread, so many times as long
STUCK_SECONDS = 30.0  # that one write may take before the writer counts as gone
_DIED = "the decision log's writer died: restart this replica"
_CLOSED = "the decision log is closed here: ask another replica"
_STUCK = f"the decision log's disk held one write up for more than {STUCK_SECONDS:.0f} s: mend it, or restart"


class Writer:
    """Appends records to the log under `root`; every method but `close` belongs to the event loop's thread.

    A commit answers for what its caller appended right before it: no `await` between the two. Everything appended in
    one turn of the loop is one group, and all groups that wait when the disk is free go there in one write and one
    sync. What was appended without a commit goes the same way. Only a group that nobody else is kept waiting by is
    written by the loop itself, which spares two hand-overs between threads: a fifth of the time.
    """

    def __init__(
        self,
        root: Path,
        header: Header,
        loop: asyncio.AbstractEventLoop,
        *,
        limits: WriterLimits = WRITER_LIMITS,
        write_ahead: WriteAhead = NOTHING_AHEAD,
        clock: Clock = SYSTEM_CLOCK,
        signed_until: Callable[[], float] = never,
    ) -> None:
        """`header.writer` names this process and no other; the first group opens the first segment.

        `signed_until` gives the time of the last checkpoint in Unix seconds, see `RollingSegments`.
        """
        writer = header.writer
        if not _WRITER_NAME.match(writer):
            raise Invalid(f"writer name {writer!r} cannot be part of a file name; use letters, digits and . _ # ~ -")
        self.lost = 0  # records that the disk refused; nobody was promised one of them in `committed`
        self._flush_ahead = write_ahead.flush
        self._is_due = write_ahead.is_due
        self._ticks = clock.ticks
        self._durable = header.durability == "committed"
        self._loop = loop
        self._home = get_ident()
        self._encode = msgspec.msgpack.Encoder().encode
        self._group = Group()
        self._due = False
        self._with_thread = 0  # groups
        self._went_on = 0.0  # when the thread last got its first group, or was done with one
        self._slow_until = 0.0
        self._unwritten_bytes = 0
        self._room = limits.max_waiting_bytes  # -1 once closed, so that append has one thing to check
        self._closing = False
        self._refusal: str | None = None
        self._groups: SimpleQueue[Group | None] = SimpleQueue()
        self._disk = Lock()  # over the segments; the loop never waits for it
        self._segments = RollingSegments(root, header, limits, clock, signed_until)
        self._beside = ThreadPoolExecutor(1, f"decision-log-{writer}-beside")
        self._thread = Thread(target=self._run, name=f"decision-log-{writer}", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> None:
        """Take one record; see `extend`."""
        self.extend((record,))

    def extend(self, records: Sequence[Record]) -> None:
        """Take records into this turn's group, all or none; Unavailable when closed or the disk is too far behind."""
        if self._unwritten_bytes > self._room:
            raise Unavailable(
                _CLOSED if self._room < 0 else "the decision log's disk is too slow: send less, or move it"
            )
        encode = self._encode
        try:
            payloads = [encode(record) for record in records]
        except (OverflowError, UnicodeEncodeError) as error:
            raise Invalid(f"a value of the record cannot be kept: {error}") from error
        longest = max(map(len, payloads), default=0)
        if longest > MAX_PAYLOAD_BYTES:
            raise TooLarge(f"a record of {longest} bytes does not fit the log's {MAX_PAYLOAD_BYTES}; send less at once")
        framed = frames(payloads)
        group = self._group
        group.frames += framed
        group.records += len(payloads)
        self._unwritten_bytes += len(framed)
        if not self._due:
            self._due = True
            self._loop.call_soon(self._hand_over)

    def commit(self, *, alone: bool = False) -> asyncio.Future[None]:
        """Await it: done when what was appended is on disk (`committed`) or on its way (`buffered`).

        `alone` says that nobody else waits for this loop: it may wait for the disk where that was quick lately, and
        then what is returned is done.
        Raises Unavailable when the disk refused the group; in `buffered`, when it refused the one before.
        """
        if self._room < 0:
            raise Unavailable(_CLOSED)
        future = self._loop.create_future()
        if self._durable:
            group = self._group
            group.waiting.append(future)
            written = alone and len(group.waiting) == 1 and self._write_here()
            if not (written or self._due):
                self._due = True
                self._loop.call_soon(self._hand_over)
        else:
            answer(future, self._refusal)
        return future

    def demand_open(self) -> None:
        """Raise Unavailable when nothing can be written any more: the thread is gone, or stuck in one write."""
        if self._room < 0 or not self._thread.is_alive():
            raise Unavailable(_CLOSED if self._closing else _DIED)
        if self._with_thread and self._ticks() - self._went_on > STUCK_SECONDS:
            raise Unavailable(_STUCK)

    def demand_writable(self) -> None:
        """`demand_open`, and raise Unavailable while the disk refuses: it is tried again once a second."""
        self.demand_open()
        if self._refusal is not None:
            raise Unavailable(self._refusal)

    def close(self) -> None:
        """Write what is left, end the thread and let go of the segment; blocks for a sync, so from any thread."""
        if self._loop.is_running() and get_ident() != self._home:
            self._loop.call_soon_threadsafe(self._finish)
        else:
            self._finish()
        self._thread.join()

    def _finish(self) -> None:
        self._closing = True
        if self._room >= 0:
            self._hand_over()
            self._room = -1
            self._groups.put(None)

    def _hand_over(self) -> None:
        """The loop's turn is over: its group goes to the thread."""
        self._due = False
        group = self._group
        if group.frames or group.waiting:
            self._group = Group()
            if self._room < 0:
                self._settle([group], _CLOSED)
            else:
                if not self._with_thread:
                    self._went_on = self._ticks()
                self._with_thread += 1
                self._groups.put(group)

    def _write_here(self) -> bool:
        """Write and settle the turn's group on the loop, unless the thread has to: nothing may overtake what it has."""
        began = self._ticks()
        if self._with_thread or began < self._slow_until or self._is_due() or not self._disk.acquire(blocking=False):
            return False
        try:
            if not self._segments.has_room:
                return False
            group, self._group = self._group, Group()
            refusal: str | None = BROKEN
            try:
                refusal = self._segments.write(bytes(group.frames))
            except Exception:  # whatever it is, nobody may wait for ever
                logger.exception("%d records could not be written", group.records)
            self._settle([group], refusal)
            if refusal is not None:  # the thread is to probe the disk: it sleeps
                self._with_thread += 1
                self._groups.put(Group())
        finally:
            self._disk.release()
        now = self._ticks()
        if now - began > LONGEST_HELD_SECONDS:
            self._slow_until = now + RESPITE * (now - began)
        return True

    def _written(self, groups: list[Group], refusal: str | None) -> None:
        """The thread is done with these groups."""
        self._with_thread -= len(groups)
        self._went_on = self._ticks()
        self._settle(groups, refusal)

    def _settle(self, groups: list[Group], refusal: str | None) -> None:
        """Tell everybody who waits for these groups how it went."""
        self._refusal = refusal
        for group in groups:
            self._unwritten_bytes -= len(group.frames)
            if refusal is not None:
                self.lost += group.records
            for future in group.waiting:
                answer(future, refusal)

    def _run(self) -> None:
        """The thread: all groups that wait become one write, one sync and one message to the loop."""
        try:
            closing = False
            while not closing:
                groups, closing = self._take()
                probe = not (groups or closing) and self._segments.refusal is not None
                refusal: str | None = _DIED
                try:
                    if groups or probe:
                        refusal = self._put(b"".join([group.frames for group in groups]), probe=probe)
                finally:
                    if groups or probe:
                        self._tell(groups, refusal)
                with self._disk:
                    self._segments.roll(now=closing)
        finally:
            self._beside.shutdown()
            self._tell([], None, last=True)

    def _put(self, content: bytes, *, probe: bool = False) -> str | None:
        """Makes records and what they need durable; returns None or why not; a `probe` only asks the disk."""
        try:
            sync = self._flush_ahead()
            synced = None if sync is None else self._beside.submit(sync)
            with self._disk:
                refusal = self._segments.probe() if probe else self._segments.write(content)
            if synced is not None:
                synced.result()
        except Exception as error:  # whatever it is: nothing is acknowledged, and the next write may go well
            refusal = str(error) if isinstance(error, Unavailable) else BROKEN
            if refusal == BROKEN:
                logger.exception("What the decision log's records need could not be written")
            with self._disk:
                self._segments.refuse(refusal)
        return refusal

    def _take(self) -> tuple[list[Group], bool]:
        """Every group that waits, at least one unless something else is due first; and whether the writer closes."""
        groups: list[Group] = []
        with suppress(Empty):
            group = self._groups.get(timeout=self._segments.seconds_left())
            while group is not None:
                groups.append(group)
                group = self._groups.get_nowait()
            return groups, True
        return groups, False

    def _tell(self, groups: list[Group], refusal: str | None, *, last: bool = False) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._end if last else self._written, groups, refusal)

    def _end(self, _groups: list[Group], _refusal: str | None) -> None:
        """The thread is gone, on purpose or not: nobody may wait for it."""
        self._room = -1
        with suppress(Empty):
            while (group := self._groups.get_nowait()) is not None:
                self._settle([group], _CLOSED)
