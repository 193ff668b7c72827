"""Load from this process: a closed loop, and an open loop whose schedule is fixed before it begins.

    python -m benchmarks.load --port 8000 --key-file var/admin.key --dialect DECIDE --concurrency 64
    python -m benchmarks.load --port 8000 --key-file var/admin.key --dialect DECIDE --rate 1000

In the open loop a latency counts from the moment the request was due, whether or not it could be sent then (no
coordinated omission); what is unanswered at the end counts with the time it has waited.
"""

import argparse
import asyncio
import gc
import selectors
import sys
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from benchmarks import dialects, model
from benchmarks.connection import LOST, Connection, HttpConnection
from benchmarks.grpc_connection import GrpcConnection
from windvane.cluster.host.secret_files import bearer

GENERATOR = "asyncio"
OPEN_CONNECTIONS = 64
GRACE_SECONDS = 2.0  # for answers after the last request of an open loop
SEED = 5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Prepared requests and where they go: over HTTP, or as messages with `metadata` to the gRPC method `method`."""

    port: int
    requests: tuple[bytes, ...]
    method: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """Figures of one run of load."""

    answered: int  # with 200
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int
    first_failure: str
    generator: str
    unanswered: int = 0  # when an open loop ended

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.answered / self.seconds


@dataclass(slots=True)
class Tally:
    """Latencies and failures as they come."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, fine: bool, body: bytes, took: float) -> None:
        """One answer."""
        if fine:
            self.seconds.append(took)
        else:
            self.failures.append(body[:300].decode("latin-1"))

    def load(self, seconds: float, waiting: list[float]) -> Load:
        """The figures; `waiting` are the latencies so far of what was not answered."""
        took = np.array(self.seconds + waiting) * 1e3
        p50, p99 = np.percentile(took, [50, 99]) if len(took) else (float("nan"), float("nan"))
        first = self.failures[0] if self.failures else ""
        return Load(
            len(self.seconds), seconds, float(p50), float(p99), len(self.failures), first, GENERATOR, len(waiting)
        )


def closed_loop(traffic: Traffic, concurrency: int, seconds: float) -> Load:
    """Every connection sends its next request when the last was answered."""
    return _run(_closed(traffic, concurrency, seconds))


def open_loop(traffic: Traffic, rate: float, seconds: float) -> Load:
    """Requests become due by a Poisson process of `rate` a second, whatever the server does."""
    gaps = np.random.default_rng(SEED).exponential(1.0 / rate, round(rate * seconds))
    return _run(_open(traffic, np.cumsum(gaps).tolist()))


def exchange(traffic: Traffic) -> list[bytes]:
    """Every request once, over one connection; the replies' bodies.

    Raises ValueError at the first that is no 200, ConnectionError when the server hangs up.
    """
    return _run(_exchange(traffic))


async def _closed(traffic: Traffic, concurrency: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    connections = [await _connect(traffic) for _ in range(concurrency)]
    tally, left, done = Tally(), concurrency, loop.create_future()
    start = perf_counter()

    def drive(connection: Connection, place: int) -> None:
        sent = perf_counter()

        def answered(fine: bool, body: bytes) -> None:
            nonlocal left
            now = perf_counter()
            tally.add(fine, body, now - sent)
            if fine and now - start < seconds:
                drive(connection, place + 1)
            else:
                left -= 1
                if left == 0:
                    done.set_result(None)

        connection.ask(traffic.requests[place % len(traffic.requests)], answered)

    for number, connection in enumerate(connections):
        drive(connection, number * 7919)
    await done
    return _finished(connections, tally.load(perf_counter() - start, []))


async def _open(traffic: Traffic, due: list[float]) -> Load:
    loop = asyncio.get_running_loop()
    connections = [await _connect(traffic) for _ in range(OPEN_CONNECTIONS)]
    idle, queue, sent = list(connections), deque[int](), dict[int, float]()
    tally, done = Tally(), loop.create_future()
    start = loop.time() + 0.1

    def send(place: int, connection: Connection) -> None:
        def answered(fine: bool, body: bytes) -> None:
            tally.add(fine, body, loop.time() - sent.pop(place))
            if queue:
                send(queue.popleft(), connection)
            else:
                idle.append(connection)
                if not sent and place >= len(due) - 1 and not done.done():
                    done.set_result(None)

        connection.ask(traffic.requests[place % len(traffic.requests)], answered)

    def fire(place: int) -> None:
        sent[place] = start + due[place]
        if idle:
            send(place, idle.pop())
        else:
            queue.append(place)

    for place, moment in enumerate(due):
        loop.call_at(start + moment, fire, place)
    await asyncio.wait([done], timeout=start - loop.time() + due[-1] + GRACE_SECONDS)
    now = loop.time()
    return _finished(connections, tally.load(now - start, [now - moment for moment in sent.values()]))


async def _exchange(traffic: Traffic) -> list[bytes]:
    connection = await _connect(traffic)
    try:
        return [await _answer(connection, request) for request in traffic.requests]
    finally:
        connection.close()


async def _answer(connection: Connection, request: bytes) -> bytes:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def answered(fine: bool, body: bytes) -> None:
        if fine:
            future.set_result(body)
        else:
            kind = ConnectionError if body.startswith(LOST) else ValueError
            future.set_exception(kind(body[:1000].decode("latin-1")))

    connection.ask(request, answered)
    return await future


async def _connect(traffic: Traffic) -> Connection:
    def make() -> HttpConnection | GrpcConnection:
        return HttpConnection() if traffic.method is None else GrpcConnection(traffic.method, metadata=traffic.metadata)

    _, connection = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", traffic.port)
    return connection


def _finished(connections: list[Connection], load: Load) -> Load:
    for connection in connections:
        connection.close()
    return load


def _exact_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def _run(main: Coroutine[Any, Any, T]) -> T:
    """On a loop over select(2), whose timers are exact to microseconds; those of epoll come up to 1 ms late."""
    gc.collect()
    gc.disable()  # a collection would count as a latency
    try:
        with asyncio.Runner(loop_factory=_exact_loop) as runner:
            return runner.run(main)
    finally:
        gc.enable()


def main() -> None:
    """Ask a server that is running."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    known = sorted(name for name, each in vars(dialects).items() if isinstance(each, dialects.Dialect))
    parser.add_argument("--dialect", choices=known, default="DECIDE")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rate", type=float, help="requests a second of an open loop")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--key-file", type=Path, help="of the Windvane that is asked, such as var/admin.key")
    order = parser.parse_args()
    key = bearer(order.key_file) if order.key_file else {}
    dialect: dialects.Dialect = getattr(dialects, order.dialect)
    requests = dialect.requests(model.make_rows(2000 if dialect.rows == 1 else 64 * dialect.rows), key)
    traffic = Traffic(order.port, requests, dialect.path if dialect.grpc else None, key)
    if order.rate:
        found = open_loop(traffic, order.rate, order.seconds)
    else:
        found = closed_loop(traffic, order.concurrency, order.seconds)
    sys.stdout.write(f"{found.per_second:,.0f}/s, p50 {found.p50_ms:.2f} ms, p99 {found.p99_ms:.2f} ms\n")
    if found.failed or found.unanswered:
        sys.exit(f"{found.failed} failed, {found.unanswered} unanswered; the first said: {found.first_failure}")


if __name__ == "__main__":
    main()
