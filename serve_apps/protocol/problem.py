"""Errors as RFC 9457 problem details; `errors` names every offending place by JSON pointer."""

import math
from collections.abc import Iterable

import msgspec

from windvane.cluster.errors import Denied, Invalid, Problem, Unauthorized, Unavailable, WindvaneError

MEDIA_TYPE = b"application/problem+json"


class ProblemPlace(msgspec.Struct, frozen=True):
    """One offending place in the request."""

    pointer: str
    detail: str


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an error reply; `instance` is the path that was asked."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: tuple[ProblemPlace, ...] = ()
    decision_ids: tuple[str, ...] = ()  # under which what policy denied is on record
    policies: tuple[str, ...] = ()
    policy_version: str = ""


class Response(msgspec.Struct, frozen=True):
    """Status, headers and body of a reply."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]


class MethodNotAllowed(WindvaneError):
    """The path exists, the method does not."""

    status = 405
    title = "Method not allowed"

    def __init__(self, detail: str, allowed: str) -> None:
        super().__init__(detail)
        self.allowed = allowed


class RequestTimeout(WindvaneError):
    """The body took too long to arrive."""

    status = 408
    title = "Request timeout"


class UnsupportedMediaType(WindvaneError):
    """The body is announced as something other than plain JSON."""

    status = 415
    title = "Unsupported media type"


def places(problems: Iterable[Problem]) -> tuple[ProblemPlace, ...]:
    """The places as a reply names them."""
    return tuple(ProblemPlace(each.pointer, each.detail) for each in problems)


def details(error: WindvaneError, instance: str) -> Details:
    """An error as problem details; `instance` says what it is about, as a URI reference."""
    found = places(error.problems) if isinstance(error, Invalid) else ()
    name = error.title.lower().replace(" ", "-")
    why = (error.decision_ids, error.policies, error.version) if isinstance(error, Denied) else ()
    return Details(f"urn:windvane:problem:{name}", error.title, error.status, str(error), instance, found, *why)


def problem(error: WindvaneError, path: str) -> Response:
    """The reply for an error at a path."""
    headers = [(b"content-type", MEDIA_TYPE)]
    if isinstance(error, Unavailable):
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_seconds))))
    if isinstance(error, Unauthorized):
        headers.append((b"www-authenticate", error.challenge.encode()))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allowed.encode()))
    return Response(error.status, msgspec.json.encode(details(error, path)), tuple(headers))
