"""Answers right behind uvicorn what a model is deployed for, and refuses there what would be answered too late.

Ray Serve's own way from the socket to our app costs more than a decision (docs/performance.md): so decisions and
outcomes are handed to the app here, and the rest goes through Serve. `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH` names
`middlewares`, which every process of Ray's that speaks HTTP calls once; only where a process has a replica does it do
anything, and on a head of ours a replica that is not behind it does not become ready. What Serve did for those
requests: `LocalReplica.ongoing` is for `autoscaling.py`, and a replica that is stopped is ended by Serve after uvicorn
has answered whoever came.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from random import getrandbits
from typing import Any, Protocol

from starlette.middleware import Middleware

from windvane.cluster.clock import SYSTEM_CLOCK, Clock
from windvane.cluster.errors import Invalid, Malformed, Unavailable, WindvaneError
from windvane.cluster.runtime.ray_source import changed
from windvane.serve_apps.endpoints.deadline import SINCE, deadline_of, waited
from windvane.serve_apps.endpoints.http_request import CLOSE, Headers, Receive, Scope, Send, may_be_unfinished
from windvane.serve_apps.pipeline.admission import Admission
from windvane.serve_apps.protocol.infer_reply import refusal_at
from windvane.serve_apps.protocol.problem import RequestTimeout, Response
from windvane.serve_apps.serve_hooks import UNWATCHED

WORK = ("/decide", "/infer")  # what costs work ends with one of them
HANDED_OVER = (*WORK, "/outcomes")
REQUEST_ID = b"x-request-id"
OK = 200
ILLEGIBLE = "A header is not text in UTF-8: send its value in ASCII"


class Answering(Protocol):
    """The HTTP app, as it is needed here."""

    async def answer(self, scope: Scope, headers: Headers, receive: Receive) -> Response | None:
        """The reply to one HTTP request, whatever happens; None when its client is gone."""

    def shed(self, error: WindvaneError) -> None:
        """Count a request that is refused before it is read."""


class LocalReplica:
    """The replica of this process: who may come in, the app that answers, and the loop on which both live."""

    def __init__(self, admission: Admission, http_app: Answering, loop: asyncio.AbstractEventLoop) -> None:
        self.admission = admission
        self.http_app = http_app
        self.loop = loop
        self.ongoing = 0  # requests that the app is answering without Serve knowing of them


_local_replicas: list[LocalReplica] = []  # of this process; Ray makes the middleware, so nobody could hand it over
asked_on: list[asyncio.AbstractEventLoop] = []  # event loops of this process on which Ray asked for the middlewares


def guard(replica: LocalReplica) -> None:
    """From now on ask this one about every request to this process."""
    _local_replicas[:] = [replica]


def leave(replica: LocalReplica) -> None:
    """Ask it no more."""
    if replica in _local_replicas:
        _local_replicas.remove(replica)


def middlewares() -> list[Middleware]:
    """Middlewares that Ray Serve puts before every application; Ray asks on the loop that uvicorn will have."""
    asked_on.append(asyncio.get_running_loop())
    return [Middleware(Ingress)]


def demand_in_front(replica: LocalReplica) -> None:
    """Raise Unavailable unless Ray has put the middleware before this process's app, on the same event loop.

    Otherwise every request would go through Serve: slower, and as many at a time as come.
    """
    if not asked_on:
        raise changed("Ray Serve did not ask this replica's process for RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH")
    if replica.loop not in asked_on:
        raise changed("Ray Serve runs this replica's app on another event loop than uvicorn's")


class Ingress:
    """ASGI middleware: counts requests in and out, refuses when admission says so, and hands over to the app."""

    def __init__(
        self,
        app: Callable[..., object],
        local_replicas: list[LocalReplica] = _local_replicas,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._app = app
        self._local_replicas = local_replicas
        self._ticks = clock.ticks
        self._now = clock.now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        path = scope.get("path", "")
        if not self._local_replicas or not path.endswith(HANDED_OVER) or scope["type"] != "http":
            await self._through_serve(path, scope, receive, send)
            return
        replica, headers = self._local_replicas[0], dict(scope["headers"])
        if not path.endswith(WORK):
            await self._hand_over(replica, path, headers, scope, receive, send)
            return
        admission = replica.admission
        arrived = self._ticks()
        try:
            predicted = admission.enter(self._budget(headers, admission) if admission.is_busy else None)
        except Unavailable as error:
            replica.http_app.shed(error)
            await _reply(refusal_at(error, path), scope, headers, send)
            return
        took = 0.0
        try:
            if await self._hand_over(replica, path, headers, scope, receive, send):
                took = self._ticks() - arrived
        finally:
            admission.leave(predicted if took else 0.0, took)

    def _budget(self, headers: Headers, admission: Admission) -> float:
        """Seconds that are left for a request that waited before it came here: of its own deadline, else of ours."""
        try:
            deadline = deadline_of(headers, 0.0)
        except Invalid:  # the app says what is wrong with it
            deadline = None
        unseen = waited(headers, self._now) if SINCE in headers else admission.unseen
        return admission.left(unseen) if deadline is None else deadline - unseen

    async def _hand_over(
        self, replica: LocalReplica, path: str, headers: Headers, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Whether somebody was there and answered; by way of Serve where the app lives on another loop than uvicorn."""
        if replica.loop is not asyncio.get_running_loop():
            scope["headers"].append(UNWATCHED)  # the app sees to clients that hang up, for less
            await self._through_serve(path, scope, receive, send)
            return True
        headers[UNWATCHED[0]] = UNWATCHED[1]
        replica.ongoing += 1
        try:
            response = await replica.http_app.answer(scope, headers, receive)
            if response is not None:
                await _reply(response, scope, headers, send)
        finally:
            replica.ongoing -= 1
        return response is not None and response.status != RequestTimeout.status  # how long a sender took says nothing

    async def _through_serve(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve's own way; a header that Serve itself cannot read is refused, where Serve has no answer."""
        started = False
        unfinished = scope["type"] == "http" and may_be_unfinished(scope)

        async def heard() -> MutableMapping[str, Any]:
            nonlocal unfinished
            message = await receive()
            unfinished = message.get("more_body", False)
            return message

        async def told(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            started = True
            if unfinished and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), CLOSE]}
            await send(message)

        try:
            await self._app(scope, heard if unfinished else receive, told)  # type: ignore[misc]
        except UnicodeDecodeError:
            if started:
                raise
            await _reply(refusal_at(Malformed(ILLEGIBLE), path), scope, {}, send)


async def _reply(response: Response, scope: Scope, headers: Headers, send: Send) -> None:
    """Send it, and the request's id or a fresh one with it, as Serve does.

    Decisions and outcomes are answered 200 once they were read. Whatever else is answered while more of the request may
    come ends the connection: HAProxy would count the request as one in the replica until its sender is done.
    """
    request_id = headers.get(REQUEST_ID) or b"%032x" % getrandbits(128)
    sent = [*response.headers, (b"content-length", b"%d" % len(response.body)), (REQUEST_ID, request_id)]
    if response.status != OK and may_be_unfinished(scope):
        sent.append(CLOSE)
    await send({"type": "http.response.start", "status": response.status, "headers": sent})
    await send({"type": "http.response.body", "body": response.body})
