"""Starts in HAProxy's place: completes the configuration that Ray has written, and becomes the real HAProxy.

    python -m windvane.cluster.runtime.haproxy_program HAPROXY FOLDER CONTROL -db -f CONFIGURATION …

Ray tells its own HAProxy processes from others by the configuration's path, so the file is completed where it lies.
Imports little: every change of replicas starts it anew.
"""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime import haproxy_queue
from windvane.cluster.runtime.haproxy_closed import closed
from windvane.cluster.runtime.haproxy_limits import limited
from windvane.cluster.runtime.ray_source import changed

REFUSAL = "refusal"  # a file: why HAProxy was not started
# Variables that are set for HAProxy: one once Ray's configuration knows control, and what a message may have.
CONTROL_IS_THERE, MOST_GRPC_BYTES = "WINDVANE_GRPC_CONTROL", "WINDVANE_GRPC_MOST_BYTES"


def complete(arguments: Sequence[str], folder: Path) -> str:
    """Put limits, and the queues of `folder`, into the configuration that the arguments name, and return that, closed.

    Raises Unavailable where it is not as we know it.
    """
    named = [following for word, following in pairwise(arguments) if word == "-f"]
    if len(named) != 1:
        raise changed(f"HAProxy is not started: Ray names {len(named)} configurations for it with -f, not one")
    configuration = Path(named[0])
    whole = limited(closed(haproxy_queue.bounded(configuration.read_text(), haproxy_queue.declared(folder))))
    _write(configuration, whole)
    return whole


def _write(place: Path, text: str) -> None:
    """All of it at once."""
    fresh = place.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(place)


def main(program: str, folder: Path, control: str, arguments: Sequence[str]) -> None:
    """Never returns; raises OSError when there is no such program, and ends with a sentence where Ray has changed.

    The sentence is kept in `folder` too, for `windvane up` (`haproxy.demand_started`).
    """
    os.environ.pop(CONTROL_IS_THERE, None)
    try:
        whole = complete(arguments, folder)
    except Unavailable as error:
        _write(folder / REFUSAL, str(error))
        sys.exit(str(error))
    (folder / REFUSAL).unlink(missing_ok=True)
    if f"backend grpc-{control}" in whole.split("\n"):
        os.environ[CONTROL_IS_THERE] = "1"
    os.environ[MOST_GRPC_BYTES] = str(haproxy_queue.largest_message(whole, haproxy_queue.declared(folder)))
    os.execv(program, [program, *arguments, "-f", str(folder / "grpc.cfg")])  # noqa: S606  no shell is the point


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
