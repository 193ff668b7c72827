"""One HTTP/2 connection that makes one unary gRPC call at a time: the frames of RFC 9113 that this needs, and no more.

A full gRPC client in Python costs as much as the server that is measured. Replies' headers are not decoded: a call
that failed ends with trailers and no message, and that is how it is told.
"""

import asyncio
import struct
from collections.abc import Mapping

from benchmarks.connection import LOST, Answered

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FIRST_WINDOW = 65_535
LARGEST_WINDOW = 2**31 - 1
LARGEST_FRAME = 16_384


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def header_block(path: str, authority: str, metadata: Mapping[str, str]) -> bytes:
    """The request's headers in HPACK (RFC 7541), as literals that no table remembers."""

    def text(value: str) -> bytes:
        return bytes((len(value),)) + value.encode()  # shorter than 127, not Huffman coded

    return b"".join(
        (
            b"\x83\x86",  # :method POST, :scheme http, from the static table
            b"\x04" + text(path),
            b"\x01" + text(authority),
            b"\x0f\x10" + text("application/grpc"),  # content-type is entry 31
            b"\x00" + text("te") + text("trailers"),
            *(b"\x00" + text(name) + text(value) for name, value in metadata.items()),
        )
    )


class GrpcConnection(asyncio.Protocol):
    """Sends serialized messages to one method."""

    def __init__(self, path: str, authority: str = "127.0.0.1", metadata: Mapping[str, str] | None = None) -> None:
        self._headers = header_block(path, authority, metadata or {})
        self._transport: asyncio.WriteTransport | None = None
        self._answered: Answered | None = None
        self._received = b""
        self._message = b""
        self._waiting: bytes | None = None
        self._stream = -1
        self._window = FIRST_WINDOW

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        ours = struct.pack(">HIHI", 2, 0, 4, LARGEST_WINDOW)  # no push; each stream may send as much as it likes
        more = struct.pack(">I", LARGEST_WINDOW - FIRST_WINDOW)
        transport.write(PREFACE + frame(SETTINGS, 0, 0, ours) + frame(WINDOW, 0, 0, more))

    def ask(self, request: bytes, answered: Answered) -> None:
        """See `Connection`; `request` is a serialized message."""
        self._answered = answered
        self._message = b""
        payload = b"\x00" + struct.pack(">I", len(request)) + request
        if len(payload) > LARGEST_FRAME:
            raise ValueError(f"a message of {len(payload)} bytes needs more than one frame: send fewer rows")
        self._send(payload)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        received = self._received + data if self._received else data
        at = 0
        while len(received) - at >= 9:
            length = int.from_bytes(received[at : at + 3], "big")
            if len(received) - at < 9 + length:
                break
            stream = int.from_bytes(received[at + 5 : at + 9], "big")
            self._take(received[at + 3], received[at + 4], stream, received[at + 9 : at + 9 + length])
            at += 9 + length
        self._received = received[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._finish(False, LOST + str(exc or "the server closed it").encode())

    def close(self) -> None:
        """See `Connection`."""
        self._answered = None
        if self._transport is not None:
            self._transport.close()

    def _send(self, payload: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            self._finish(False, LOST + b"the server closed it before")
        elif len(payload) > self._window:
            self._waiting = payload
        else:
            self._window -= len(payload)
            self._stream += 2
            headers = frame(HEADERS, END_HEADERS, self._stream, self._headers)
            self._transport.write(headers + frame(DATA, END_STREAM, self._stream, payload))

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        assert self._transport is not None
        if kind == DATA and stream == self._stream:
            self._message += payload
        elif kind == HEADERS and stream == self._stream and flags & END_STREAM:
            self._finish(len(self._message) >= 5, self._message[5:] or b"a gRPC status other than OK: " + payload)
        elif kind == RESET and stream == self._stream:
            self._finish(False, b"the stream was reset: " + payload.hex().encode())
        elif kind == SETTINGS and not flags & ACK:
            self._transport.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self._finish(False, LOST + b"GOAWAY " + payload[8:])
            self._transport.close()
        elif kind == WINDOW and stream == 0:
            self._window += int.from_bytes(payload, "big")
            if self._waiting is not None:
                payload, self._waiting = self._waiting, None
                self._send(payload)

    def _finish(self, fine: bool, message: bytes) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(fine, message)
