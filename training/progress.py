"""Says what a job is doing and how many seconds each stage took, in plain lines that any log shows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Prints `[ 12.3 s] text`; `seconds` keeps what each stage took. The clock is given, in seconds."""

    def __init__(self, clock: Callable[[], float], write: Callable[[str], object]) -> None:
        self._clock, self._write = clock, write
        self._start = clock()
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """One line with the seconds since the start."""
        self._write(f"[{self._clock() - self._start:6.1f} s] {text}\n")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage and time it, also when it fails."""
        started = self._clock()
        self.say(f"{name} …")
        try:
            yield
        finally:
            self.seconds[name] = self._clock() - started

    def total(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start
