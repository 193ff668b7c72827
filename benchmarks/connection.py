"""One HTTP/1.1 connection with one request on its way at a time: as little client as can be, to spare the server."""

import asyncio
from collections.abc import Callable
from typing import Protocol

Answered = Callable[[bool, bytes], None]  # whether it was a 200, and the body
LOST = b"the connection was lost: "  # what the body begins with when there was no answer


class Connection(Protocol):
    """Connection that the load loops drive, whatever protocol it speaks."""

    def ask(self, request: bytes, answered: Answered) -> None:
        """Send one request; `answered` is called once, with False when the connection is lost."""

    def close(self) -> None:
        """Hang up."""


class HttpConnection(asyncio.Protocol):
    """Sends whole requests as they are; reads Content-Length and chunked replies."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._answered: Answered | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def ask(self, request: bytes, answered: Answered) -> None:
        """See `Connection`."""
        self._answered = answered
        if self._transport is None or self._transport.is_closing():
            self._finish(False, LOST + b"the server closed it before")
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._received = self._received + data if self._received else data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head, body = self._received[:end].lower(), self._received[end + 4 :]
        if b"transfer-encoding: chunked" in head:
            if not body.endswith(b"0\r\n\r\n"):
                return
            body = unchunked(body)
        elif len(body) < _length(head):
            return
        self._received = b""
        self._finish(head.startswith(b"http/1.1 200"), body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._finish(False, LOST + str(exc or "the server closed it").encode())

    def close(self) -> None:
        """See `Connection`."""
        self._answered = None
        if self._transport is not None:
            self._transport.close()

    def _finish(self, fine: bool, body: bytes) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(fine, body)


def unchunked(body: bytes) -> bytes:
    r"""The content of a complete chunked body.

    >>> unchunked(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
    b'hello'
    """
    parts: list[bytes] = []
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if length == 0:
            return b"".join(parts)
        parts.append(rest[:length])
        body = rest[length + 2 :]


def _length(head: bytes) -> int:
    at = head.find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
