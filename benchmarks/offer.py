"""Offers requests to a server, open loop (at a rate, whatever the server does) or closed loop; a process of its own.

    python -m benchmarks.offer http://127.0.0.1:8000/v2/models/bench/decide bodies.ndjson --rate 700 --seconds 20

One line of `bodies.ndjson` is one request's body, or with `--whole` a whole request in base64; they go round.
Arrivals of the open loop are Poisson and drawn from a seed. A latency runs from the moment a request was due, not
from when it was written, so a server that stalls cannot hide it (Tene's coordinated omission). Prints one JSON
`Tally` a period; memory does not grow with time.
"""

import argparse
import asyncio
import random
import sys
import time
from base64 import b64decode
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benchmarks.offered import Tally


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, offer: "Offer") -> None:
        self._offer = offer
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        """Write a request that was due at that moment of the monotonic clock."""
        assert self._transport is not None
        self._due = due
        self._transport.write(request)
        self._offer.tally.written.add(1000.0 * (time.perf_counter() - due))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = _number(head, b"\r\ncontent-length:")
        if len(self._buffer) < end + 4 + length:
            return
        status = int(head[9:12])
        self._buffer = b""
        assert self._transport is not None
        due, self._due = self._due, None
        if due is None:  # HAProxy says 408 on a connection that was idle for long, and closes it
            self._offer.retired(self)
            self._transport.close()
            return
        closes = b"\r\nconnection: close" in head
        self._offer.took(status, due, b"\r\nretry-after:" in head, None if closes else self)
        if closes:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if self._due is not None:
            due, self._due = self._due, None
            self._offer.took(0, due, False, None)
        self._offer.gone(self)


class Offer:
    """Sends what is due over as many connections as it takes, up to a limit; counts what comes back."""

    def __init__(self, host: str, port: int, requests: Sequence[bytes], most_connections: int, closed: bool) -> None:
        self.tally = Tally(0.0)
        self._address = host, port
        self._requests = cycle(requests)
        self._room = most_connections
        self._closed = closed  # an answer makes the next request due
        self._idle: list[Connection] = []
        self._due: deque[float] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._since = time.perf_counter()
        self.open = 0
        self._over = False

    async def offer(self, arrivals: Iterator[float], seconds: float, period: float) -> None:
        """Send what the iterator (seconds from now, rising) says is due; print a tally each period."""
        start = self._since = time.perf_counter()
        reporting = asyncio.ensure_future(self._report(seconds, period))
        for arrival in arrivals:
            if arrival >= seconds:
                break
            wait = start + arrival - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            self.due(start + arrival)
        await reporting

    def due(self, at: float) -> None:
        """A request is due: it goes to an idle connection, else to a new one, else it waits."""
        if self._idle:
            self._idle.pop().send(next(self._requests), at)
            return
        self._due.append(at)
        if self.open < self._room:
            self.open += 1
            opening = asyncio.ensure_future(self._connect())
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    def took(self, status: int, due: float, retry_after: bool, free: Connection | None) -> None:
        """An answer came; the connection that is free takes the next that waits."""
        now = time.perf_counter()
        tally = self.tally
        tally.statuses[status] = tally.statuses.get(status, 0) + 1
        if status == 200:
            tally.answered.add(1000.0 * (now - due))
        elif status in (429, 503):
            tally.refused.add(1000.0 * (now - due))
            tally.without_retry_after += not retry_after
        if self._closed and not self._over:
            self._due.append(now)
        if free is not None:
            self._free(free)

    def retired(self, connection: Connection) -> None:
        """Nothing more may be sent over it."""
        if connection in self._idle:
            self._idle.remove(connection)

    def gone(self, connection: Connection) -> None:
        """The connection is closed."""
        self.open -= 1
        self.retired(connection)
        if self._due and not self._over:
            self.due(self._due.popleft())

    def _free(self, connection: Connection) -> None:
        if self._due:
            connection.send(next(self._requests), self._due.popleft())
        else:
            self._idle.append(connection)

    async def _connect(self) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(self), *self._address)
        except OSError:
            self.open -= 1
            if self._due:
                self.took(0, self._due.popleft(), False, None)
            return
        self._free(connection)

    async def _report(self, seconds: float, period: float) -> None:
        end = self._since + seconds
        while (left := end - time.perf_counter()) > 0:
            await asyncio.sleep(min(period, left))
            now = time.perf_counter()
            tally, self.tally = self.tally, Tally(0.0)
            tally.seconds, self._since = now - self._since, now
            tally.waiting = len(self._due) + self.open - len(self._idle) - len(self._opening)
            sys.stdout.write(msgspec.json.encode(tally).decode() + "\n")
            sys.stdout.flush()
        self._over = True


def poisson(rate: float, seed: int) -> Iterator[float]:
    """Arrival times in seconds, `rate` a second on average.

    >>> arrivals = poisson(100.0, seed=1)
    >>> moments = [next(arrivals) for _ in range(10_000)]
    >>> 95 < moments[-1] < 105
    True
    """
    draw = random.Random(seed)
    at = 0.0
    while True:
        at += draw.expovariate(rate)
        yield at


def request(path: str, host: str, body: bytes, headers: Sequence[str] = ()) -> bytes:
    """One HTTP/1.1 POST of JSON."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def _number(head: bytes, name: bytes) -> int:
    place = head.find(name)
    if place < 0:
        return 0
    return int(head[place + len(name) :].split(b"\r\n", 1)[0])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.offer", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--rate", type=float, help="open loop: requests a second")
    how.add_argument("--concurrency", type=int, help="closed loop: requests on their way at any time")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--period", type=float, default=60.0, help="seconds between two tallies")
    parser.add_argument("--connections", type=int, default=1000, help="at most, open loop")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--whole", action="store_true", help="a line is a whole HTTP request in base64, not a body")
    given = parser.parse_args()
    url = urlsplit(given.url)
    lines = [line for line in given.bodies.read_bytes().splitlines() if line]
    if given.whole:
        requests = [b64decode(line, validate=True) for line in lines]
    else:
        requests = [request(url.path, url.netloc, line, given.header) for line in lines]
    closed = given.concurrency is not None
    arrivals = iter([0.0] * given.concurrency) if closed else poisson(given.rate, seed=7)

    async def run() -> None:
        most = given.concurrency if closed else given.connections
        offer = Offer(url.hostname or "127.0.0.1", url.port or 80, requests, most, closed)
        await offer.offer(arrivals, given.seconds, given.period)

    asyncio.run(run())


if __name__ == "__main__":
    main()
