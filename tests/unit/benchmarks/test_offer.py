import asyncio
import math

import msgspec
import pytest

from benchmarks.offer import Offer, poisson, request
from benchmarks.offered import FIRST_MS, GROWTH, Latencies, Tally
from tests.worlds.gateway.world import settled


def test_a_quantile_is_at_most_two_percent_too_high() -> None:
    seen = Latencies()
    for tenth in range(1, 1001):
        seen.add(tenth / 10.0)
    for share in (0.01, 0.5, 0.99, 1.0):
        assert 100.0 * share <= seen.quantile(share) <= 100.0 * share * GROWTH
    assert seen.n == 1000


def test_without_latencies_there_is_no_quantile_and_the_shortest_have_one_bin() -> None:
    seen = Latencies()
    assert math.isnan(seen.quantile(0.5))
    seen.add(0.0)
    assert seen.quantile(1.0) == FIRST_MS


def test_periods_add_up() -> None:
    total = Tally(0.0)
    for statuses, waiting in (({200: 6, 429: 2}, 9), ({200: 4, 0: 1}, 3)):
        period = Tally(2.0, statuses, without_retry_after=1, waiting=waiting)
        period.answered.add(5.0)
        total.merge(msgspec.json.decode(msgspec.json.encode(period), type=Tally))
    assert (total.seconds, total.statuses, total.rate) == (4.0, {200: 10, 429: 2, 0: 1}, 2.5)
    assert (total.without_retry_after, total.waiting, total.answered.n) == (2, 3, 2)


def test_arrivals_rise_at_the_rate_and_are_the_same_for_a_seed() -> None:
    first = [next(arrivals) for arrivals in [poisson(500.0, seed=3)] for _ in range(5000)]
    again = [next(arrivals) for arrivals in [poisson(500.0, seed=3)] for _ in range(5000)]
    assert first == again == sorted(first)
    assert first[-1] == pytest.approx(10.0, rel=0.05)


def test_a_request_is_a_whole_http_message() -> None:
    assert request("/decide", "here:8000", b"{}", ["x-one: 1"]) == (
        b"POST /decide HTTP/1.1\r\nHost: here:8000\r\nContent-Type: application/json\r\nx-one: 1\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )


class Server(asyncio.Protocol):
    """Answers by script: every request with the next of `replies`, then closes where there is none."""

    def __init__(self, replies: list[bytes], seen: list[bytes]) -> None:
        self._replies = replies
        self._seen = seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def tell(self, unasked: bytes) -> None:
        self._transport.write(unasked)

    def data_received(self, data: bytes) -> None:
        self._seen.append(data)
        if self._replies:
            self._transport.write(self._replies.pop(0))
        else:
            self._transport.close()


def offered(replies: list[bytes], closed: bool, due: int, connections: int = 1) -> tuple[Tally, list[bytes]]:
    """Tally of an offer against a scripted server on loopback, when every reply is in."""
    seen: list[bytes] = []
    expected = len(replies) + 1

    async def run() -> Tally:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Server(replies, seen), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        offer = Offer("127.0.0.1", port, [b"one", b"two"], connections, closed)
        for _ in range(due):
            offer.due(loop.time())
        await settled(lambda: sum(offer.tally.statuses.values()) >= expected)
        server.close()
        return offer.tally

    return asyncio.run(asyncio.wait_for(run(), 10.0)), seen


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"
SILENT = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


def test_answers_refusals_and_broken_connections_are_told_apart() -> None:
    tally, seen = offered([OK, REFUSED, SILENT], closed=False, due=4)
    assert seen == [b"one", b"two", b"one", b"two"]
    assert tally.statuses == {200: 1, 429: 1, 503: 1, 0: 1}
    assert (tally.answered.n, tally.refused.n, tally.without_retry_after) == (1, 2, 1)
    assert tally.written.n == 4


def test_in_the_closed_loop_an_answer_makes_the_next_due() -> None:
    tally, seen = offered([OK, OK], closed=True, due=1)
    assert len(seen) >= 3
    assert tally.statuses[200] == 2


def test_a_connection_that_was_idle_for_too_long_is_left() -> None:
    """HAProxy says so by an answer that nobody asked for."""
    servers: list[Server] = []

    def serve() -> Server:
        servers.append(Server([OK], []))
        return servers[-1]

    async def run() -> Tally:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(serve, "127.0.0.1", 0)
        offer = Offer("127.0.0.1", server.sockets[0].getsockname()[1], [b"one"], 1, closed=False)
        for asked in (1, 2):
            offer.due(loop.time())
            await settled(lambda: offer.tally.statuses == {200: asked})  # noqa: B023 - awaited here
            servers[-1].tell(b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await settled(lambda: offer.open == 0)
        server.close()
        return offer.tally

    assert asyncio.run(asyncio.wait_for(run(), 10.0)).statuses == {200: 2}
    assert len(servers) == 2
