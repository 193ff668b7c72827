"""Servers that are one process tree: started on a free port, asked until they answer, ended with all they started."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.dialects import Dialect
from benchmarks.load import Traffic, exchange
from benchmarks.model import make_rows
from benchmarks.world import free_port
from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime import processes

HERE = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 60.0
PORTS = (0, 1, 2)  # some take a second and a third beside it


@dataclass(frozen=True, slots=True)
class Running:
    """Port that a server listens on, and the processes whose CPU and memory are its own."""

    port: int
    family: Callable[[], list[psutil.Process]]
    headers: Mapping[str, str] = field(default_factory=dict)  # that every request is sent with


@contextmanager
def process(command: Callable[[int], list[str]], dialect: Dialect) -> Iterator[Running]:
    """Run a command made for a port while the block lasts; raises Unavailable with its last words if it ends."""
    port = free_port(PORTS)
    with tempfile.TemporaryDirectory(prefix="wvp") as folder, tempfile.TemporaryFile() as said:
        started = psutil.Popen(
            command(port),
            cwd=HERE,
            env=os.environ | {"TMPDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        family: dict[int, psutil.Process] = {}

        def members() -> list[psutil.Process]:
            """Everything it started, also what its parent left behind since."""
            for each in processes.with_descendants([started, *family.values()]):
                family[each.pid] = each
            return [each for each in family.values() if each.is_running()]

        try:
            _answers(port, dialect, started, members)
            yield Running(port, members)
        except Unavailable as error:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().splitlines()[-3:]
            raise Unavailable(f"{error}: {' / '.join(last)}") from error
        finally:
            _end(started, members)


def module(name: str, *arguments: str) -> Callable[[int], list[str]]:
    """The command of a module of ours that takes the port first."""
    return lambda port: [sys.executable, "-m", name, str(port), *arguments]


def script(python: Path, path: Path, *arguments: str) -> Callable[[int], list[str]]:
    """The command of a peer's script in its own environment."""
    return lambda port: [str(python), str(path), str(port), *arguments]


def _answers(port: int, dialect: Dialect, started: psutil.Popen, members: Callable[[], object]) -> None:
    traffic = Traffic(port, dialect.requests(make_rows(dialect.rows)))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            exchange(traffic)
            return
        except (OSError, ValueError) as error:
            members()
            if started.poll() is not None:
                raise Unavailable(f"it ended with {started.returncode}") from error
            if time.monotonic() > deadline:
                raise Unavailable(f"it did not answer within {PATIENCE_SECONDS:.0f} s ({error})") from error
            time.sleep(0.2)


def _end(started: psutil.Popen, members: Callable[[], list[psutil.Process]]) -> None:
    """The first process may take the others down itself; what is left after that is ended by id."""
    known = members()
    if started.poll() is None:
        processes.end_all([started], patience_seconds=15.0)
    processes.end_all(processes.with_descendants([each for each in known if each.is_running()]))
