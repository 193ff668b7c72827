"""The queue before a model's replicas, in HAProxy: how many requests go in, how long the others may wait for that.

Python spends two thirds of a decision's CPU on refusing one, so refusing there cannot save a replica from a crowd;
HAProxy lets a bounded number in and keeps or turns away the rest for a few microseconds each. A replica writes down
what its model allows before Serve tells HAProxy of it; Ray's configuration is completed whenever HAProxy is started.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex

from windvane.cluster.runtime.ray_source import changed

ARRIVED = "x-windvane-arrived"  # microseconds since 1970 when HAProxy got the request
BACKEND = "backend http-"
LARGEST_BODY = 2_097_152  # bytes, of a model that declares nothing else
SPARE_BYTES = 65_536  # by which a message may be too large and is still read, so that the model itself says so
SLOWEST_BODY = "10s"  # for what fits HAProxy's buffer (16 KiB): a caller that stalls must not hold a place meanwhile
REFUSAL = {
    "type": "urn:windvane:problem:unavailable",
    "title": "Unavailable",
    "status": 503,
    "detail": "More is asked than can be answered in time, or no replica runs: come again in a second",
    "instance": "%[var(txn.path),json(utf8s)]",
    "error": "More is asked than can be answered in time, or no replica runs: come again in a second",  # the protocol's
}
_SECTION = re.compile(r"^(?=\S)", re.MULTILINE)
_SERVERS = re.compile(r"^[ \t]*default-server .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Queue:
    """Limits of a model: requests in a replica at a time, how long others may wait for a place, and a body's size."""

    most_inside: int
    longest_wait_ms: int
    most_body_bytes: int = LARGEST_BODY


def declare(folder: Path, application: str, queue: Queue) -> None:
    """Write down what holds for an application from HAProxy's next start on."""
    place = _file(folder, application)
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(f".{token_hex(4)}")  # a name of its own: replicas that start at once all write theirs
    fresh.write_text(json.dumps(asdict(queue)))
    fresh.replace(place)


def declared(folder: Path) -> dict[str, Queue]:
    """All that is written down, by application; what cannot be read is left out, for HAProxy must start."""
    found = {}
    for file in _file(folder, "any").parent.glob("*.json"):
        try:
            found[file.stem] = Queue(**json.loads(file.read_bytes()))
        except (ValueError, TypeError) as error:
            sys.stderr.write(f"{file} says nothing of a queue ({error}): remove it and deploy {file.stem}\n")
    return found


def bounded(configuration: str, queues: Mapping[str, Queue]) -> str:
    """Ray's HAProxy configuration with these applications' queues; what has them already stays as it is.

    Raises Unavailable where a backend has no place for its queue.

    >>> print(bounded("backend http-trips\\n    default-server check\\n    server a 127.0.0.1:1", {}))
    backend http-trips
        default-server check
        server a 127.0.0.1:1
    """
    return "".join(_with_queue(section, queues) for section in _SECTION.split(configuration))


def largest_message(configuration: str, queues: Mapping[str, Queue]) -> int:
    """Bytes of the largest message that any model which the configuration routes to may be sent, and some.

    >>> largest_message("backend http-trips", {"trips": Queue(1, 1, 3_000_000), "gone": Queue(1, 1, 4_000_000)})
    3065536
    """
    routed = set(configuration.split("\n"))
    sizes = [queue.most_body_bytes for name, queue in queues.items() if f"{BACKEND}{name}" in routed]
    return max([LARGEST_BODY, *sizes]) + SPARE_BYTES


def _with_queue(section: str, queues: Mapping[str, Queue]) -> str:
    """One section, from its name to the next one's."""
    head = section.partition("\n")[0]
    queue = queues.get(head.removeprefix(BACKEND)) if head.startswith(BACKEND) else None
    if queue is None or ARRIVED in section:
        return section
    servers = _SERVERS.findall(section)
    if len(servers) != 1 or " maxconn " in section:
        raise changed(f"HAProxy is not started: {head!r} lacks a 'default-server' without a maxconn of its own")
    lines = [*_rules(queue), f"{servers[0]} maxconn {queue.most_inside}"]
    return section.replace(servers[0], "\n".join(lines))


def _rules(queue: Queue) -> list[str]:
    body = json.dumps(REFUSAL)
    return [
        f"    timeout queue {queue.longest_wait_ms}ms",
        f"    http-request wait-for-body time {SLOWEST_BODY}",
        f"    http-request set-header {ARRIVED} %[date(0,us)]",
        "    http-request set-var(txn.path) path",
        f"    http-error status 503 content-type application/problem+json lf-string '{body}' hdr Retry-After 1",
    ]


def _file(folder: Path, application: str) -> Path:
    return folder / "queues" / f"{application}.json"
