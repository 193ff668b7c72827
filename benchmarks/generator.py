"""The load: `benchmarks.offer` in a process of its own, so that it shares no interpreter with whoever watches."""

import subprocess
import sys
from pathlib import Path

import msgspec

from benchmarks.offered import Tally
from benchmarks.world import World


class Generator:
    """Offers the requests of a file to a model's `decide`, from now on, and tells a tally every minute.

    It tells into a file beside the requests: a pipe that nobody empties in half an hour would stop it.
    """

    def __init__(self, place: World, requests: Path, seconds: float, *load: str) -> None:
        """`load` is how much of what, in the words of `benchmarks.offer`'s options."""
        url = f"{place.url}{place.path}/decide"
        command = [sys.executable, "-m", "benchmarks.offer", url, str(requests), "--seconds", str(seconds), *load]
        command += [word for line in place.header_lines for word in ("--header", line)]
        self._told = requests.with_name("tallies.ndjson")
        with self._told.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file)

    def total(self) -> Tally:
        """The sum of everything it has told, once it has ended."""
        if self.process.wait():
            raise RuntimeError(f"The load generator failed with {self.process.returncode}; see above")
        tally = Tally(0.0)
        for line in self._told.read_bytes().splitlines():
            tally.merge(msgspec.json.decode(line, type=Tally))
        return tally
