"""Starts in HAProxy's place: completes the configuration that Ray has written, and becomes the real HAProxy.

    python -m windvane.cluster.runtime.haproxy_program HAPROXY FOLDER CONTROL -db -f CONFIGURATION …

Ray tells its own HAProxy processes from others by the configuration's path, so the file is completed where it lies.
Imports little: every change of replicas starts it anew.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from windvane.cluster.runtime import haproxy_queue
from windvane.cluster.runtime.haproxy_closed import closed

CONTROL_IS_THERE = "WINDVANE_GRPC_CONTROL"  # a variable, set for HAProxy once Ray's configuration knows control


def complete(arguments: Sequence[str], folder: Path) -> str:
    """Put the queues that `folder` declares into the configuration that the arguments name, and return that, closed."""
    configuration = Path(arguments[list(arguments).index("-f") + 1])
    whole = closed(haproxy_queue.bounded(configuration.read_text(), haproxy_queue.declared(folder)))
    fresh = configuration.with_suffix(".new")
    fresh.write_text(whole)
    fresh.replace(configuration)
    return whole


def main(program: str, folder: Path, control: str, arguments: Sequence[str]) -> None:
    """Never returns; raises OSError when there is no such program."""
    os.environ.pop(CONTROL_IS_THERE, None)
    if f"backend grpc-{control}" in complete(arguments, folder).split("\n"):
        os.environ[CONTROL_IS_THERE] = "1"
    os.execv(program, [program, *arguments, "-f", str(folder / "grpc.cfg")])  # noqa: S606  no shell is the point


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
