"""Chooses the worker processes of Ray that load what a replica needs before anybody asks them for anything.

While Serve builds an application in one worker, Ray starts the next one, which becomes the replica: what that loads
meanwhile, nobody waits for. What is no replica (monitors, trials, Serve's own actors, which start with the head) would
only pay for it, in time and in 200 MB.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODULE = "windvane.serve_apps.worker"
LEAN = "WINDVANE_LEAN"  # a variable of processes that are to load nothing ahead
_READY = "replicas-may-come"


def lean() -> dict[str, Any]:
    """The runtime environment of what is no replica."""
    return {"env_vars": {LEAN: "1"}}


def allow(home: Path) -> None:
    """From here on workers that start are most likely replicas to be: Serve and control run."""
    _mark(home).touch()


def forbid(home: Path) -> None:
    """The next workers are Serve's own."""
    _mark(home).unlink(missing_ok=True)


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the process with these variables should load ahead."""
    home = environment.get("WINDVANE_HOME")
    return home is not None and LEAN not in environment and _mark(Path(home)).exists()


def _mark(home: Path) -> Path:
    return home / "run" / _READY
