"""Reads an HTTP request: its headers, and its body up to a limit."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from windvane.cluster.errors import Malformed, TooLarge
from windvane.serve_apps.protocol.problem import UnsupportedMediaType

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers: TypeAlias = dict[bytes, bytes]

LONGEST_COUNT = 15  # digits


class ClientGone(Exception):
    """The caller hung up before the request was complete; there is nobody to answer."""


async def read_body(headers: Headers, receive: Receive, most_bytes: int) -> bytes:
    """The whole body, never more than the limit; raises TooLarge, Malformed, ClientGone."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        raise Malformed("Content-Length must be a number of bytes")
    if len(length) > LONGEST_COUNT or int(length) > most_bytes:
        raise TooLarge(f"The body has {length.decode()[:20]} bytes; send at most {most_bytes}")
    parts: list[bytes] = []
    received = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        more = message.get("more_body", False)
        received += len(part)
        if received > most_bytes:
            raise TooLarge(f"The body has more than the {most_bytes} bytes that are accepted: send less at once")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


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
