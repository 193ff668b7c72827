"""The Authorization header: the bearer token in it, or a refusal that does not repeat what was sent."""

import re

from cluster.errors import Unauthorized

MOST_BYTES = 8192  # of the header; a token with a hundred roles has a quarter of it
MISSING = "Send your key as `Authorization: Bearer <key>`; an admin makes one with `windvane keys create`"

# RFC 6750, section 2.1: the scheme in any case, blanks, and a b64token: no comma, quote or control character is in one
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9\-._~+/]+=*) *")


def bearer_token(authorization: bytes | None) -> bytes:
    """The token of one header's value; raises Unauthorized when there is none, or something else than one.

    >>> bearer_token(b"Bearer wv_abc")
    b'wv_abc'
    >>> bearer_token(b"Basic d2luZDp2YW5l")
    Traceback (most recent call last):
    cluster.errors.Unauthorized: Authorization must be `Bearer`, a blank and one key or token, nothing else
    """
    if authorization is None:
        raise Unauthorized(MISSING, invalid=False)
    if len(authorization) > MOST_BYTES:
        raise Unauthorized(f"Authorization has {len(authorization)} bytes; a key or token has at most {MOST_BYTES}")
    found = _BEARER.fullmatch(authorization)
    if found is None:
        raise Unauthorized("Authorization must be `Bearer`, a blank and one key or token, nothing else")
    return found[1]
