"""A writer's segments one after another: opened when there is something to write, rolled by size and age."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from cluster.decision_log.live import LiveSegment
from cluster.decision_log.segment import Header, Previous

BROKEN = "the decision log met an error that no disk gives: it is in this process's log"
logger = logging.getLogger(__name__)


class RollingSegments:
    """The disk side of a writer; belongs to one thread. `clock` gives Unix seconds."""

    def __init__(
        self,
        root: Path,
        header: Header,
        *,
        durable: bool,
        segment_bytes: int,
        segment_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._root = root
        self._header = header
        self._durable = durable
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._clock = clock
        self._segment: LiveSegment | None = None
        self._previous: Previous | None = None
        self._rolls_at = 0.0
        self._refusal: str | None = None

    def write(self, content: bytes) -> str | None:
        """Put the frames on disk; returns None, or the sentence that says why the disk refused.

        Without content it answers for the write before, whose records the caller may have meant. Whatever goes wrong is
        a refusal, and the next write gets a segment of its own.
        """
        if not content:
            return self._refusal
        try:
            if self._segment is None:
                opened_at = self._clock()
                header = msgspec.structs.replace(self._header, opened_at=opened_at, previous=self._previous)
                self._segment = LiveSegment(self._root, header)
                self._rolls_at = opened_at + self._segment_seconds
            self._segment.append(content, durable=self._durable)
            self._previous = Previous(self._segment.name, self._segment.head)
            self._refusal = None
        except OSError as error:
            self._segment = None
            self._refusal = f"the decision log cannot be written ({error}): make room or make {self._root} writable"
            logger.error("%s", self._refusal)
        except Exception:
            self._segment = None
            self._refusal = BROKEN
            logger.exception("A group could not be written to the log in %s", self._root)
        return self._refusal

    def refuse(self, refusal: str) -> None:
        """What was written last is not promised after all: a write without content says so."""
        self._refusal = refusal

    @property
    def has_room(self) -> bool:
        """Whether a write goes to the segment that is open, and none has to be opened or closed for it."""
        segment = self._segment
        return segment is not None and segment.size < self._segment_bytes and self._clock() < self._rolls_at

    def seconds_left(self) -> float | None:
        """How long until the open segment is due; None when there is none."""
        return None if self._segment is None else max(0.0, self._rolls_at - self._clock())

    def roll(self, *, now: bool = False) -> None:
        """Close the segment when it is large or old enough (or `now`), so that a sealer may have it."""
        segment = self._segment
        if segment is None or not (now or segment.size >= self._segment_bytes or self._clock() >= self._rolls_at):
            return
        self._segment = None
        try:
            segment.close()
        except OSError as error:
            logger.error("the last records of %s may not survive a power cut: %s", segment.name, error)
        except Exception:
            logger.exception("%s could not be closed", segment.name)
