"""The loops count good answers only, and the open loop leaves nothing out because a server was slow."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks import load, wrk
from benchmarks.load import Traffic

ASK = (b"GET / HTTP/1.1\r\n\r\n",)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
FULL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nfull"


@contextmanager
def server(answer: Callable[[int], bytes | None]) -> Iterator[int]:
    """A port where the n-th request gets `answer(n)`, or nothing."""
    loop, seen, up = asyncio.new_event_loop(), [0], threading.Event()
    ports: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                reply = answer(seen[0])
                seen[0] += 1
                if reply is not None:
                    writer.write(reply)
        except asyncio.IncompleteReadError:
            writer.close()

    async def run() -> None:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        ports.append(listening.sockets[0].getsockname()[1])
        up.set()
        await stop.wait()
        listening.close()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))

    async def signal() -> None:
        stop.set()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    up.wait()
    try:
        yield ports[0]
    finally:
        asyncio.run_coroutine_threadsafe(signal(), loop).result()
        thread.join()
        loop.close()


def test_the_closed_loop_counts_good_answers() -> None:
    with server(lambda _: OK) as port:
        found = load.closed_loop(Traffic(port, ASK), 3, 0.05)
    assert found.failed == 0
    assert found.answered >= 3
    assert found.per_second == found.answered / found.seconds
    assert 0 < found.p50_ms <= found.p99_ms


def test_a_refusal_is_counted_apart_with_what_it_said() -> None:
    with server(lambda place: FULL if place == 1 else OK) as port:
        found = load.closed_loop(Traffic(port, ASK), 1, 5.0)
    assert (found.answered, found.failed, found.first_failure) == (1, 1, "full")


def test_the_open_loop_sends_as_many_as_are_due() -> None:
    with server(lambda _: OK) as port:
        found = load.open_loop(Traffic(port, ASK), 1000.0, 0.1)
    assert (found.answered, found.unanswered) == (100, 0)


def test_what_was_not_answered_counts_with_its_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(load, "OPEN_CONNECTIONS", 2)
    with server(lambda _: None) as port:
        found = load.open_loop(Traffic(port, ASK), 1000.0, 0.1)
    assert (found.answered, found.unanswered) == (0, 100)
    assert found.p99_ms >= 100.0  # the first were due at once and waited out the grace


def test_an_exchange_gives_the_bodies_or_the_first_refusal() -> None:
    with server(lambda place: FULL if place == 2 else OK) as port:
        assert load.exchange(Traffic(port, ASK * 2)) == [b"{}", b"{}"]
        with pytest.raises(ValueError, match="full"):
            load.exchange(Traffic(port, ASK))


def test_wrks_result_is_read_from_what_it_prints() -> None:
    line = 'RESULT {"requests":900,"microseconds":3000000,"p50":1500,"p99":9000,"failed":0,"broken":0}'
    found = wrk.read(f"Running 3s test\n{line}\n")
    assert (found.answered, found.per_second, found.p50_ms, found.p99_ms, found.failed) == (900, 300.0, 1.5, 9.0, 0)


def test_wrks_failures_of_both_kinds_are_failures() -> None:
    line = 'RESULT {"requests":900,"microseconds":3000000,"p50":1500,"p99":9000,"failed":10,"broken":2}'
    found = wrk.read(line)
    assert (found.answered, found.failed) == (890, 12)


def test_wrk_without_a_result_is_an_error() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        wrk.read("unable to connect to 127.0.0.1:1")
