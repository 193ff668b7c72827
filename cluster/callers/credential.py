"""Finds a caller's credential: the token in `Authorization: Bearer`, or `x-api-key`; refusals repeat neither."""

import re
from collections.abc import Iterable

from windvane.cluster.errors import Unauthorized

MOST_BYTES = 8192  # of either header; a token with a hundred roles has a quarter of it
MISSING = "Send your key as `Authorization: Bearer <key>` or `x-api-key: <key>`; an admin runs `windvane keys create`"
TWO = "Send one credential, once: `Authorization` or `x-api-key`, not both"
AUTHORIZATION, API_KEY = b"authorization", b"x-api-key"

_TOKEN = rb"([A-Za-z0-9\-._~+/]+=*)"  # RFC 6750, section 2.1: no comma, quote, blank or control character is in one
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +" + _TOKEN + rb" *")
_BARE = re.compile(_TOKEN)


def credentials_in(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes | None, bytes | None]:
    """The values of the two headers, names in lower case; raises Unauthorized when one of them is sent twice.

    Of two values somebody in front of us may have gone by the first, and we would go by the second.

    >>> credentials_in([(b"accept", b"*/*"), (b"x-api-key", b"wv_abc")])
    (None, b'wv_abc')
    """
    authorization = api_key = None
    for name, value in headers:
        if name == AUTHORIZATION:
            if authorization is not None:
                raise Unauthorized(TWO)
            authorization = value
        elif name == API_KEY:
            if api_key is not None:
                raise Unauthorized(TWO)
            api_key = value
    return authorization, api_key


def credential_of(authorization: bytes | None, api_key: bytes | None = None) -> bytes:
    """The key or token in the two headers' values; raises Unauthorized unless it is exactly one.

    >>> credential_of(b"Bearer wv_abc"), credential_of(None, b"wv_abc")
    (b'wv_abc', b'wv_abc')
    >>> credential_of(b"Basic d2luZDp2YW5l")
    Traceback (most recent call last):
    windvane.cluster.errors.Unauthorized: Authorization must be `Bearer`, a blank and one key or token, nothing else
    """
    if api_key is None:
        if authorization is None:
            raise Unauthorized(MISSING, invalid=False)
        return _found(_BEARER, authorization, "Authorization must be `Bearer`, a blank and one key or token")
    if authorization is not None:
        raise Unauthorized(TWO)
    return _found(_BARE, api_key, "x-api-key must be one key")


def _found(pattern: re.Pattern[bytes], header: bytes, rule: str) -> bytes:
    if len(header) > MOST_BYTES:
        raise Unauthorized(f"The key or token is sent in {len(header)} bytes; one has at most {MOST_BYTES}")
    found = pattern.fullmatch(header)
    if found is None:
        raise Unauthorized(f"{rule}, nothing else")
    return found[1]
