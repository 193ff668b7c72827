"""Refuses what would be answered too late right behind uvicorn, before Ray Serve has spent anything on it.

Ray's own way from the socket to our door costs more than a decision (docs/performance.md), so under overload a refusal
at the door would cost nearly as much as an answer. `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH` names `middlewares`,
which every process of Ray's that speaks HTTP calls once; only where a replica is guarded does it do anything.
"""

import time
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.middleware import Middleware

from cluster.errors import Invalid, Malformed, Unavailable, WindvaneError
from serve_apps.admission import Admission
from serve_apps.deadline import deadline_of
from serve_apps.departures import UNWATCHED
from serve_apps.http_request import Receive, Scope, Send
from serve_apps.protocol.infer_reply import refusal_at

DECIDE, INFER = "/decide", "/infer"  # what costs work ends with one of them
ILLEGIBLE = "A header is not text in UTF-8: send its value in ASCII"

_guarded: list[Admission] = []  # of this process's replica; Ray makes the middleware, so nobody could hand it over


def guard(admission: Admission) -> None:
    """From now on ask this one about every request to this process."""
    _guarded[:] = [admission]


def leave(admission: Admission) -> None:
    """Ask it no more."""
    if admission in _guarded:
        _guarded.remove(admission)


def middlewares() -> list[Middleware]:
    """What Ray Serve is to put before every application."""
    return [Middleware(Gatekeeper)]


class Gatekeeper:
    """ASGI middleware: counts requests in and out, and refuses when admission says so."""

    def __init__(
        self,
        app: Callable[..., object],
        guarded: list[Admission] = _guarded,
        ticks: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._guarded = guarded
        self._ticks = ticks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        path = scope.get("path", "")
        if not self._guarded or not path.endswith((DECIDE, INFER)):
            await self._pass(path, scope, receive, send)
            return
        admission = self._guarded[0]
        arrived = self._ticks()
        try:
            predicted = admission.enter(arrived, _deadline(scope, arrived) if admission.is_busy else None)
        except Unavailable as error:
            await _refuse(error, path, send)
            return
        scope["headers"].append(UNWATCHED)  # the door sees to clients that hang up, for less
        took = 0.0
        try:
            await self._app(scope, receive, send)  # type: ignore[misc]
            took = self._ticks() - arrived
        except UnicodeDecodeError:  # Serve's: the door lets none out
            await _refuse(Malformed(ILLEGIBLE), path, send)
        finally:
            admission.leave(predicted if took else 0.0, took)

    async def _pass(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Whatever is not counted; a header that Serve itself cannot read is refused, where Serve has no answer."""
        started = False

        async def told(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, told)  # type: ignore[misc]
        except UnicodeDecodeError:
            if started:
                raise
            await _refuse(Malformed(ILLEGIBLE), path, send)


def _deadline(scope: Scope, now: float) -> float | None:
    try:
        return deadline_of(dict(scope["headers"]), now)
    except Invalid:  # the door says what is wrong with it
        return None


async def _refuse(error: WindvaneError, path: str, send: Send) -> None:
    response = refusal_at(error, path)
    headers = [*response.headers, (b"content-length", b"%d" % len(response.body))]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
