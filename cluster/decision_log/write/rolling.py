"""A writer's segments one after another: opened when there is something to write, rolled by size and age."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from windvane.cluster.clock import SYSTEM_CLOCK, Clock
from windvane.cluster.decision_log.write.limits import WRITER_LIMITS, WriterLimits
from windvane.cluster.decision_log.write.live import LiveSegment
from windvane.cluster.decision_log.write.segment import Header, Previous

BROKEN = "the decision log met an error that no disk gives: it is in this process's log"
logger = logging.getLogger(__name__)


def never() -> float:
    """No checkpoint was made."""
    return 0.0


class RollingSegments:
    """The disk side of a writer; belongs to one thread.

    Ages are taken from `ticks`, which no clock step moves. A segment's name is by the clock, and never before the
    writer's last one or the last checkpoint: else a clock set back would make it look as if it had been put in later.
    """

    def __init__(
        self,
        root: Path,
        header: Header,
        limits: WriterLimits = WRITER_LIMITS,
        clock: Clock = SYSTEM_CLOCK,
        signed_until: Callable[[], float] = never,
    ) -> None:
        """`signed_until` gives the time of the last checkpoint in Unix seconds."""
        self._root = root
        self._header = header
        self._durable = header.durability == "committed"
        self._segment_bytes = limits.segment_bytes
        self._segment_seconds = limits.segment_seconds
        self._probe_seconds = limits.probe_seconds
        self._now = clock.now
        self._ticks = clock.ticks
        self._signed_until = signed_until
        self._segment: LiveSegment | None = None
        self._previous: Previous | None = None
        self._number = 0  # in the name of the last one
        self._rolls_at = 0.0
        self.refusal: str | None = None  # why the disk took nothing the last time

    def write(self, content: bytes) -> str | None:
        """Put the frames on disk; returns None, or the sentence that says why the disk refused.

        Without content it answers for the write before, whose records the caller may have meant. Whatever goes wrong is
        a refusal, and the next write gets a segment of its own.
        """
        return self._put(content) if content else self.refusal

    def probe(self) -> str | None:
        """Whether the disk takes a segment again after it refused; returns what `write` would."""
        return self._put(b"")

    def refuse(self, refusal: str) -> None:
        """Withdraws the promise of the last write: a write without content says so."""
        self.refusal = refusal

    @property
    def has_room(self) -> bool:
        """Whether a write goes to the segment that is open, and none has to be opened or closed for it."""
        segment = self._segment
        return segment is not None and segment.size < self._segment_bytes and self._ticks() < self._rolls_at

    def seconds_left(self) -> float | None:
        """Seconds until the open segment is due, or a probe of a disk that refused; None when neither is."""
        if self.refusal is not None:
            return self._probe_seconds
        return None if self._segment is None else max(0.0, self._rolls_at - self._ticks())

    def roll(self, *, now: bool = False) -> None:
        """Close the segment when it is large or old enough (or `now`), so that a sealer may have it."""
        segment = self._segment
        if segment is None or not (now or segment.size >= self._segment_bytes or self._ticks() >= self._rolls_at):
            return
        self._segment = None
        try:
            segment.close()
        except OSError as error:
            logger.error("the last records of %s may not survive a power cut: %s", segment.name, error)
        except Exception:
            logger.exception("%s could not be closed", segment.name)
        self._doubt(segment)

    def _put(self, content: bytes) -> str | None:
        """Open a segment if there is none, and write the frames if there are any."""
        segment = self._segment
        try:
            if segment is None:
                segment = self._segment = self._open()
            if content:
                segment.append(content, durable=self._durable)
                self._previous = Previous(segment.name, segment.head)
            self.refusal = None
        except OSError as error:
            self._segment = None
            self.refusal = f"the decision log cannot be written ({error}): make room or make {self._root} writable"
            logger.error("%s", self.refusal)
        except Exception:
            self._segment = None
            self.refusal = BROKEN
            logger.exception("A group could not be written to the log in %s", self._root)
        if self._segment is None and segment is not None:
            self._doubt(segment)
        return self.refusal

    def _open(self) -> LiveSegment:
        header = msgspec.structs.replace(self._header, opened_at=self._now(), previous=self._previous)
        segment = LiveSegment(self._root, header, max(self._number, int(self._signed_until() * 1e9)))
        self._number = segment.number
        self._rolls_at = self._ticks() + self._segment_seconds
        return segment

    def _doubt(self, segment: LiveSegment) -> None:
        """Lets the next header say that this one could not be closed as it should."""
        previous = self._previous
        if previous is not None and previous.segment == segment.name and not segment.is_sure:
            self._previous = msgspec.structs.replace(previous, sure=False)
