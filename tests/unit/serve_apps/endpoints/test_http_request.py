"""A body has a deadline over all of it: one that trickles holds its place no longer than one that stalls."""

import asyncio
from collections.abc import Coroutine, MutableMapping
from typing import Any, TypeVar

import pytest

from windvane.cluster.errors import TooLarge
from windvane.cluster.runtime import haproxy_queue
from windvane.serve_apps.endpoints.http_request import (
    BUFFERED_BYTES,
    SLOWEST_BODY_SECONDS,
    SLOWEST_BYTES_PER_SECOND,
    ClientGone,
    Headers,
    may_be_unfinished,
    read_body,
)
from windvane.serve_apps.protocol.problem import RequestTimeout

MOST_BYTES = 8 << 20
STAMPED: Headers = {haproxy_queue.ARRIVED.encode(): b"1700000000250000"}
T = TypeVar("T")


class Clock(asyncio.SelectorEventLoop):
    """Event loop whose time is told it; a real second passes nowhere."""

    def __init__(self) -> None:
        self.seconds = 0.0
        super().__init__()

    def time(self) -> float:
        return self.seconds


class Sender:
    """Client that sends so many parts, one every `pause` seconds, and no more after them; `ends` says they were all."""

    def __init__(self, clock: Clock, part: bytes, parts: int, pause: float, ends: bool = True) -> None:
        self.clock, self.part, self.left, self.pause, self.ends = clock, part, parts, pause, ends

    async def receive(self) -> MutableMapping[str, Any]:
        self.clock.seconds += self.pause if self.left else 3600.0
        for _ in range(3):  # what is due by now happens first
            await asyncio.sleep(0)
        if not self.left:
            return await self.clock.create_future()
        self.left -= 1
        return {"type": "http.request", "body": self.part, "more_body": self.left > 0 or not self.ends}


@pytest.fixture
def clock() -> Any:
    clock = Clock()
    yield clock
    clock.close()


def run(clock: Clock, reading: Coroutine[Any, Any, T]) -> T:
    return clock.run_until_complete(reading)


@pytest.mark.parametrize("headers", [{}, STAMPED])
def test_a_body_that_trickles_is_given_up_after_the_time_of_one_that_stalls(clock: Clock, headers: Headers) -> None:
    """A byte every four seconds began the time anew: 32 such senders kept everybody else from a model."""
    sender = Sender(clock, b" ", 200_000, 4.0)
    with pytest.raises(RequestTimeout, match="bytes of the body came in time: send it within 10 s"):
        run(clock, read_body(headers, sender.receive, MOST_BYTES))
    assert clock.seconds <= SLOWEST_BODY_SECONDS + 2 * 4.0


@pytest.mark.parametrize(("headers", "parts"), [({}, 0), ({}, 1), (STAMPED, 1)])
def test_a_body_that_stalls_is_given_up_at_once_when_its_time_is_over(
    clock: Clock, headers: Headers, parts: int
) -> None:
    sender = Sender(clock, b"{", parts, 1.0, ends=False)
    with pytest.raises(RequestTimeout, match=f"^{parts} bytes"):
        run(clock, read_body(headers, sender.receive, MOST_BYTES))


@pytest.mark.parametrize("headers", [{}, STAMPED])
def test_a_large_body_over_a_slow_line_is_read(clock: Clock, headers: Headers) -> None:
    """What arrives earns it more time: 8 MB at twice the least rate take longer than ten seconds."""
    part = b"x" * (2 * SLOWEST_BYTES_PER_SECOND)
    assert len(run(clock, read_body(headers, Sender(clock, part, 16, 1.0).receive, MOST_BYTES))) == 16 * len(part)
    assert clock.seconds == 16.0 > SLOWEST_BODY_SECONDS


@pytest.mark.parametrize("headers", [{}, STAMPED])
def test_a_body_that_came_at_once_is_read_whole_and_no_longer_than_it_may_be(clock: Clock, headers: Headers) -> None:
    assert run(clock, read_body(headers, Sender(clock, b"{}", 1, 0.0).receive, 2)) == b"{}"
    assert run(clock, read_body(headers, Sender(clock, b"{}", 3, 0.0).receive, 6)) == b"{}{}{}"
    for parts, most in ((1, 1), (3, 5)):
        with pytest.raises(TooLarge, match=f"more than the {most} bytes"):
            run(clock, read_body(headers, Sender(clock, b"{}", parts, 0.0).receive, most))


@pytest.mark.parametrize("headers", [{}, STAMPED])
def test_who_hangs_up_is_gone_and_not_slow(clock: Clock, headers: Headers) -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        run(clock, read_body(headers, receive, MOST_BYTES))


def test_a_small_body_has_as_long_in_haproxy_as_a_large_one_here() -> None:
    assert f"{SLOWEST_BODY_SECONDS:.0f}s" == haproxy_queue.SLOWEST_BODY


@pytest.mark.parametrize(
    ("headers", "unfinished"),
    [
        ([], False),
        ([(b"content-length", b"0")], False),
        ([(b"content-length", b"12000")], False),
        ([(b"content-length", b"12288")], True),
        ([(b"content-length", b"9" * 5000)], True),
        ([(b"content-length", b"many")], True),
        ([(b"transfer-encoding", b"chunked")], True),
        ([(b"x", b"y" * BUFFERED_BYTES), (b"content-length", b"1")], True),
        ([(b"x", b"y" * 2000)] * 8 + [(b"content-length", b"1")], True),
    ],
)
def test_a_request_that_haproxys_buffer_cannot_hold_may_be_unfinished(
    headers: list[tuple[bytes, bytes]], unfinished: bool
) -> None:
    assert may_be_unfinished({"path": "/v2", "headers": headers}) is unfinished


def test_a_long_path_takes_its_room_in_haproxys_buffer_too() -> None:
    for scope in ({"raw_path": b"/" * BUFFERED_BYTES}, {"query_string": b"a" * BUFFERED_BYTES}):
        assert may_be_unfinished({"path": "/", **scope, "headers": [(b"content-length", b"1")]})
