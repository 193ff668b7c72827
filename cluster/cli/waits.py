"""Shows what a command waits for, as control sees it: asked at most once a second, while it waits."""

import time
from collections.abc import Callable

from windvane.cluster.control_api import ControlApi
from windvane.cluster.errors import WindvaneError

PERIOD_SECONDS = 1.0


class Waits:
    """The sentences about one model and about what belongs to none, such as a training's workers."""

    def __init__(self, control: ControlApi, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._control, self._model, self._clock = control, model, clock
        self._asked = -PERIOD_SECONDS
        self._sentences: tuple[str, ...] = ()
        self._told: set[str] = set()

    def now(self) -> tuple[str, ...]:
        """Waits as sentences; nothing where control does not say, for then something else is told."""
        if self._clock() - self._asked >= PERIOD_SECONDS:
            self._asked = self._clock()
            try:
                waits = self._control.status().get("waits", [])
            except WindvaneError:
                waits = []
            self._sentences = tuple(wait["sentence"] for wait in waits if wait["model"] in (None, self._model))
        return self._sentences

    def fresh(self) -> tuple[str, ...]:
        """Those that were not told yet."""
        found = tuple(sentence for sentence in self.now() if sentence not in self._told)
        self._told.update(found)
        return found

    def beside(self, progress: Callable[[str], None]) -> Callable[[str], None]:
        """The same progress line, with what is waited for."""
        return lambda text: progress(" · ".join((text, *self.now())))
