"""Reads an issuer's published keys (JWKS) from a file or a URL; blocking."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from windvane.cluster.errors import Unavailable

MOST_BYTES = 1_048_576
TIMEOUT_SECONDS = 5.0
LONGEST_SECONDS = 15.0


def read_file(path: Path) -> bytes:
    """The document in the file; raises Unavailable when it cannot be read."""
    try:
        with path.open("rb") as file:
            return _bounded(file.read(MOST_BYTES + 1), str(path))
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error


def read_url(
    url: str, transport: httpx.BaseTransport | None = None, ticks: Callable[[], float] = time.monotonic
) -> bytes:
    """The document at the URL; follows no redirect, for who answers there is not who was trusted."""
    deadline = ticks() + LONGEST_SECONDS  # the timeout is each read's, and an issuer may send a byte at a time
    asked = {"accept": "application/json", "accept-encoding": "identity"}
    try:
        with (
            httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, transport=transport) as http,
            http.stream("GET", url, headers=asked) as reply,
        ):
            if reply.status_code != 200:
                raise Unavailable(f"{url} answers with status {reply.status_code} instead of the issuer's keys")
            body = b""
            for part in reply.iter_raw():
                body = _bounded(body + part, url)
                if ticks() > deadline:
                    raise Unavailable(f"{url} takes more than {LONGEST_SECONDS:g} seconds to send the issuer's keys")
            return body
    except httpx.HTTPError as error:
        raise Unavailable(f"{url} does not answer: {str(error) or type(error).__name__}") from error


def _bounded(body: bytes, where: str) -> bytes:
    if len(body) > MOST_BYTES:
        raise Unavailable(f"{where} has more than {MOST_BYTES} bytes, which no issuer's keys need")
    return body
