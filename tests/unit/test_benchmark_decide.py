"""The load generator speaks HTTP as it should, and counts only answers."""

import asyncio
import json
from itertools import count
from types import SimpleNamespace
from typing import Any

import click
import pyarrow as pa
import pytest

from benchmarks import decide

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
FULL = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\n\r\nfull"


class FakeWriter:
    """Answers every request that is written with the next reply."""

    def __init__(self, reader: asyncio.StreamReader, replies: list[bytes]) -> None:
        self.sent: list[bytes] = []
        self._reader = reader
        self._replies = replies

    def write(self, request: bytes) -> None:
        self.sent.append(request)
        self._reader.feed_data(self._replies[(len(self.sent) - 1) % len(self._replies)])

    def close(self) -> None:
        self._reader.feed_eof()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[FakeWriter]:
    """Every connection that was opened; each look at the clock takes a tenth of a second."""
    ticks = count()
    opened: list[FakeWriter] = []

    async def open_connection(host: str, port: int) -> tuple[asyncio.StreamReader, FakeWriter]:
        reader = asyncio.StreamReader()
        opened.append(FakeWriter(reader, [OK]))
        return reader, opened[-1]

    monkeypatch.setattr(asyncio, "open_connection", open_connection)
    monkeypatch.setattr(decide, "time", SimpleNamespace(perf_counter=lambda: next(ticks) / 10))
    return opened


def test_a_connection_sends_its_requests_in_turn_and_times_the_answers(connections: list[FakeWriter]) -> None:
    took: list[float] = []
    asyncio.run(decide.client("h", 1, [b"a", b"b"], 0.5, took, []))
    assert connections[0].sent == [b"a", b"b", b"a"]
    assert took == pytest.approx([0.1, 0.1, 0.1])


def test_load_is_measured_after_a_warm_up_and_shared_out(connections: list[FakeWriter]) -> None:
    found = asyncio.run(decide.load("h", 1, [b"a", b"b", b"c"], 2, 3.0))
    assert len(connections) == 4  # two to warm up, two that count
    assert {request for each in connections[::2] for request in each.sent} == {b"a", b"c"}
    answered = sum(len(each.sent) for each in connections[2:])
    assert found["per_second"] == pytest.approx(answered / 3.0)
    assert found["p50_ms"] == pytest.approx(100.0)


def test_a_refusal_ends_the_measurement_with_what_was_said(
    connections: list[FakeWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.unit.test_benchmark_decide.OK", FULL)
    with pytest.raises(click.ClickException, match="requests failed, the first with full"):
        asyncio.run(decide.load("h", 1, [b"a"], 1, 1.0))


def test_requests_are_real_rows_spread_over_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"distance": [float(n) for n in range(101)], "late": [0] * 101})
    spec: Any = SimpleNamespace(features=(SimpleNamespace(name="distance"),))
    monkeypatch.setattr(decide, "load_settings", lambda: None)
    monkeypatch.setattr(decide, "load_model", lambda model, settings: spec)
    monkeypatch.setattr(decide, "gather", lambda _: SimpleNamespace(table=table))
    made = decide.requests("trips", "127.0.0.1", 3)
    heads, bodies = zip(*(each.split(b"\r\n\r\n") for each in made), strict=True)
    assert [json.loads(body)["features"] for body in bodies] == [
        {"distance": 0.0},
        {"distance": 50.0},
        {"distance": 100.0},
    ]
    for head, body in zip(heads, bodies, strict=True):
        assert head.startswith(b"POST /v2/models/trips/decide HTTP/1.1\r\n")
        assert b"content-length: %d" % len(body) in head
