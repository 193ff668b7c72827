"""Tells the trouble of control's steps once, and which of them do not end: a disk or a store may hang."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from windvane.cluster.errors import WindvaneError

LONG_SECONDS = 60.0
logger = logging.getLogger("windvane.control")


class Steps:
    """Every step of every loop runs within one of these; safe in all their threads."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._since: dict[str, float] = {}  # step → when it began, of those that go on
        self._troubles: dict[str, str] = {}  # as told last
        self._long: set[str] = set()  # told to take long

    @contextmanager
    def going_on(self, step: str) -> Iterator[None]:
        """Tell of whatever the block raises, when that begins or changes, and go on."""
        self._since[step] = self._ticks()
        try:
            yield
            self._troubles.pop(step, None)
        except WindvaneError as error:
            if self._troubles.get(step) != str(error):
                self._troubles[step] = str(error)
                logger.warning("%s: %s", step, error)
        except Exception:
            logger.exception("%s met an unforeseen error; its loop goes on", step)
        finally:
            del self._since[step]
            self._long.discard(step)

    def look(self) -> None:
        """Warn once of each step that has not ended for a minute; whichever loop is alive calls this."""
        now = self._ticks()
        for step, since in self._since.copy().items():
            if now - since > LONG_SECONDS and step not in self._long:
                self._long.add(step)
                logger.warning("%s has not ended for %.0f s: its next waits, other steps go on", step, now - since)
