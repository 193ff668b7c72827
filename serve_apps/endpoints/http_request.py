"""Reads an HTTP request: its headers, and its body up to a limit of size and of time.

HAProxy waits for what fits its buffer. A larger request holds a place in the replica from then on: until its body is
there or the connection to HAProxy is closed, also when it has been answered.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from windvane.cluster.errors import Malformed, TooLarge
from windvane.serve_apps.endpoints.deadline import SINCE
from windvane.serve_apps.protocol.problem import RequestTimeout, UnsupportedMediaType

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers: TypeAlias = dict[bytes, bytes]

LONGEST_COUNT = 15  # digits
SLOWEST_BODY_SECONDS = 10.0  # as HAProxy waits for a small one (`haproxy_queue.SLOWEST_BODY`)
SLOWEST_BYTES_PER_SECOND = 250_000  # so many that arrived give a body another second
BUFFERED_BYTES = 12_288  # request that HAProxy's buffer of 16 KiB holds whole, with what it adds and keeps free
CLOSE = (b"connection", b"close")


class ClientGone(Exception):
    """The caller hung up before the request was complete; there is nobody to answer."""


async def read_body(headers: Headers, receive: Receive, most_bytes: int) -> bytes:
    """The whole body, never more than the limit; raises TooLarge, RequestTimeout, Malformed, ClientGone.

    Without HAProxy's stamp in `headers` the beginning may be late, too.
    """
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        raise Malformed("Content-Length must be a number of bytes")
    if len(length) > LONGEST_COUNT or int(length) > most_bytes:
        raise TooLarge(f"The body has {length.decode()[:20]} bytes; send at most {most_bytes}")
    first = await receive() if SINCE in headers else None
    if first is not None and first["type"] == "http.request" and not first.get("more_body", False):
        body: bytes = first.get("body", b"")
        if len(body) > most_bytes:
            raise _too_large(most_bytes)
        return body
    return await _rest(first, receive, most_bytes)


async def _rest(message: MutableMapping[str, Any] | None, receive: Receive, most_bytes: int) -> bytes:
    """The body that begins with the message, or with the next one, within the time that a body may take."""
    parts: list[bytes] = []
    received = 0
    more = True
    try:
        async with asyncio.timeout(SLOWEST_BODY_SECONDS) as limit:
            latest = limit.when()
            assert latest is not None  # it was given above
            while more:
                if message is None:
                    message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                part = message.get("body", b"")
                more, message = message.get("more_body", False), None
                received += len(part)
                if received > most_bytes:
                    raise _too_large(most_bytes)
                parts.append(part)
                limit.reschedule(latest + received / SLOWEST_BYTES_PER_SECOND)
    except TimeoutError as error:
        raise RequestTimeout(
            f"{received} bytes of the body came in time: send it within {SLOWEST_BODY_SECONDS:.0f} s, "
            f"or at {SLOWEST_BYTES_PER_SECOND // 1000} kB a second"
        ) from error
    return b"".join(parts)


def may_be_unfinished(scope: Scope) -> bool:
    """Whether HAProxy may have sent the request before its body was there: answered unread, its connection must close.

    >>> may_be_unfinished({"path": "/", "headers": [(b"content-length", b"300")]})
    False
    >>> may_be_unfinished({"path": "/", "headers": [(b"content-length", b"30000")]})
    True
    """
    size = len(scope.get("raw_path") or scope["path"]) + len(scope.get("query_string", b""))
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"transfer-encoding":
            return True
        if name == b"content-length":
            size += int(value) if value.isdigit() and len(value) <= LONGEST_COUNT else BUFFERED_BYTES
    return size > BUFFERED_BYTES


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"The body has more than the {most_bytes} bytes that are accepted: send less at once")


def demand_json(headers: Headers) -> None:
    """Refuse what is announced as something other than plain JSON in UTF-8; raises UnsupportedMediaType."""
    kind = headers.get(b"content-type")
    if kind is not None and kind != b"application/json":
        media, _, parameters = kind.decode("latin-1").lower().partition(";")
        charset = parameters.replace(" ", "").replace('"', "")
        if media.strip() != "application/json" or charset not in ("", "charset=utf-8"):
            raise UnsupportedMediaType(f"Content-Type is {media[:60]!a}; send application/json in UTF-8")
    encoding = headers.get(b"content-encoding", b"identity")
    if encoding != b"identity":
        raise UnsupportedMediaType(f"Content-Encoding is {encoding.decode('latin-1')[:40]!a}; send the body as it is")


def json_length(headers: Headers) -> int | None:
    """Number of the body's bytes that are JSON when tensors follow it, None when all are.

    Raises Malformed, or UnsupportedMediaType when the body is announced as something else than either.
    """
    length = headers.get(b"inference-header-content-length")
    if length is None:
        demand_json(headers)
        return None
    if headers.get(b"content-type") != b"application/octet-stream":
        demand_json(headers)
    elif headers.get(b"content-encoding", b"identity") != b"identity":
        demand_json({b"content-encoding": headers[b"content-encoding"]})
    if not length.isdigit() or len(length) > LONGEST_COUNT:
        raise Malformed("Inference-Header-Content-Length must be the number of bytes of JSON that the body begins with")
    return int(length)
