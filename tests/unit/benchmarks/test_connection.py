"""The bench's own clients read replies as the protocols say, and tell a lost connection from a refusal."""

import struct

import pytest

from benchmarks.connection import LOST, HttpConnection
from benchmarks.grpc_connection import (
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RESET,
    SETTINGS,
    WINDOW,
    GrpcConnection,
    frame,
)


class Wire:
    """A transport that remembers."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Asked:
    """One connection on a wire, and what it said."""

    def __init__(self, connection: HttpConnection | GrpcConnection, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("asyncio.WriteTransport", Wire)
        self.wire, self.connection = Wire(), connection
        self.answers: list[tuple[bool, bytes]] = []
        connection.connection_made(self.wire)  # type: ignore[arg-type]

    def ask(self, request: bytes = b"question") -> None:
        self.connection.ask(request, lambda fine, body: self.answers.append((fine, body)))


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(HttpConnection(), monkeypatch)


@pytest.fixture
def grpc(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked(GrpcConnection("/service/Method"), monkeypatch)
    assert asked.wire.sent.pop().startswith(PREFACE)
    return asked


@pytest.mark.parametrize("cut", [1, 10, 38, 40])
def test_a_reply_in_two_pieces_is_one_answer(http: Asked, cut: int) -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
    http.ask()
    http.connection.data_received(reply[:cut])
    assert http.answers == []
    http.connection.data_received(reply[cut:])
    assert http.answers == [(True, b"fine")]
    assert http.wire.sent == [b"question"]


def test_a_chunked_reply_is_put_together(http: Asked) -> None:
    http.ask()
    http.connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n")
    assert http.answers == []
    http.connection.data_received(b"2\r\nne\r\n0\r\n\r\n")
    assert http.answers == [(True, b"fine")]


def test_a_refusal_is_no_answer(http: Asked) -> None:
    http.ask()
    http.connection.data_received(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\n\r\nfull")
    assert http.answers == [(False, b"full")]


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_a_lost_connection_says_so_once(kind: str, request: pytest.FixtureRequest) -> None:
    asked: Asked = request.getfixturevalue(kind)
    asked.ask()
    asked.connection.connection_lost(None)
    asked.connection.connection_lost(None)
    assert len(asked.answers) == 1
    fine, body = asked.answers[0]
    assert not fine
    assert body.startswith(LOST)


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_nothing_is_asked_on_a_closed_connection(kind: str, request: pytest.FixtureRequest) -> None:
    asked: Asked = request.getfixturevalue(kind)
    asked.wire.closed = True
    asked.ask()
    assert asked.answers[0][1].startswith(LOST)
    assert asked.wire.sent == []


def test_a_call_is_headers_and_one_message(grpc: Asked) -> None:
    grpc.ask(b"abc")
    (sent,) = grpc.wire.sent
    assert sent[3] == HEADERS
    assert b"/service/Method" in sent
    assert sent.endswith(frame(DATA, END_STREAM, 1, b"\x00\x00\x00\x00\x03abc"))


def test_a_message_and_trailers_are_an_answer_and_streams_count_on(grpc: Asked) -> None:
    for stream in (1, 3):
        grpc.ask()
        reply = frame(HEADERS, 4, stream, b"h") + frame(DATA, 0, stream, b"\x00\x00\x00\x00\x02ok")
        everything = reply + frame(HEADERS, 4 | END_STREAM, stream, b"t")
        for byte in everything:
            grpc.connection.data_received(bytes((byte,)))
    assert grpc.answers == [(True, b"ok"), (True, b"ok")]


def test_trailers_without_a_message_are_a_failure(grpc: Asked) -> None:
    grpc.ask()
    grpc.connection.data_received(frame(HEADERS, 4 | END_STREAM, 1, b"status"))
    assert grpc.answers == [(False, b"a gRPC status other than OK: status")]


@pytest.mark.parametrize(("kind", "stream"), [(RESET, 1), (GOAWAY, 0)])
def test_a_stream_that_is_ended_is_a_failure(grpc: Asked, kind: int, stream: int) -> None:
    grpc.ask()
    grpc.connection.data_received(frame(kind, 0, stream, b"\x00" * 8))
    assert [fine for fine, _ in grpc.answers] == [False]


def test_settings_are_acknowledged(grpc: Asked) -> None:
    grpc.connection.data_received(frame(SETTINGS, 0, 0))
    assert grpc.wire.sent == [frame(SETTINGS, 1, 0)]


def test_a_message_waits_until_the_window_has_room(grpc: Asked) -> None:
    for stream in range(1, 11, 2):
        grpc.ask(b"x" * 13_000)
        reply = frame(DATA, 0, stream, b"\x00\x00\x00\x00\x00") + frame(HEADERS, 4 | END_STREAM, stream, b"t")
        grpc.connection.data_received(reply)
    grpc.ask(b"x" * 13_000)
    assert len(grpc.wire.sent) == 5
    grpc.connection.data_received(frame(WINDOW, 0, 0, struct.pack(">I", 13_000)))
    assert len(grpc.wire.sent) == 6


def test_a_message_of_more_than_a_frame_is_refused(grpc: Asked) -> None:
    with pytest.raises(ValueError, match="send fewer rows"):
        grpc.ask(b"x" * 16_384)
