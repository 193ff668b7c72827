"""The HTTP door: raw ASGI, no framework; finds the route, reads the body, maps every error once."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias

from cluster.access import is_owner, read_digest
from cluster.errors import Forbidden, Invalid, Malformed, NotFound, Problem, TooLarge, Unavailable, WindvaneError
from configs.schema import ModelSpec
from serve_apps.decider import Decider
from serve_apps.protocol.decide import Decide
from serve_apps.protocol.metadata import metadata
from serve_apps.protocol.outcomes import Outcomes
from serve_apps.protocol.problem import MethodNotAllowed, Response, UnsupportedMediaType, problem
from serve_apps.roster import Roster
from serve_apps.sinks import Log

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers: TypeAlias = dict[bytes, bytes]
Route: TypeAlias = Callable[[Headers, Receive], Awaitable[Response]]
Hook: TypeAlias = Callable[[], Awaitable[None]]

JSON = ((b"content-type", b"application/json"),)
VERSION_HEADER = b"x-windvane-version"
LARGEST_VERSION = 10**9
logger = logging.getLogger(__name__)


class ClientGone(Exception):
    """The caller hung up before the request was complete; there is nobody to answer."""


class Door:
    """Everything under `/v2/models/{model}`; `start` and `stop` run with the server's lifespan."""

    def __init__(
        self,
        spec: ModelSpec,
        home: Path,
        roster: Roster,
        decider: Decider,
        log: Log,
        start: Hook,
        stop: Hook,
        now: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._spec = spec
        self._home = home
        self._roster = roster
        self._decider = decider
        self._log = log
        self._start = start
        self._stop = stop
        self._now = now
        self._ticks = ticks
        self._decide_protocol = Decide(spec)
        self._outcomes_protocol = Outcomes(spec)
        self._most_bytes = spec.serving.max_body_bytes
        self._prefix = f"/v2/models/{spec.name}"
        self._routes: dict[str, dict[str, Route]] = {
            f"{self._prefix}/decide": {"POST": self._decide},
            f"{self._prefix}/outcomes": {"POST": self._outcomes},
            f"{self._prefix}/ready": {"GET": self._ready},
            f"{self._prefix}/": {"GET": self._metadata},
            self._prefix: {"GET": self._metadata},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection: HTTP requests and the lifespan; anything else is refused."""
        if scope["type"] != "http":
            await self._other(scope["type"], receive, send)
            return
        try:
            response = await self._route(scope)(dict(scope["headers"]), receive)
        except ClientGone:
            return
        except WindvaneError as error:
            response = problem(error, scope["path"])
        except Exception:
            logger.exception("%s %s was not answered", scope["method"], scope["path"])
            response = problem(WindvaneError("This is a fault of the server; it is in its log"), scope["path"])
        headers = [*response.headers, (b"content-length", b"%d" % len(response.body))]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _other(self, kind: str, receive: Receive, send: Send) -> None:
        if kind != "lifespan":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        for hook, event in ((self._start, "startup"), (self._stop, "shutdown")):
            await receive()
            try:
                await hook()
            except Exception as error:
                await send({"type": f"lifespan.{event}.failed", "message": str(error)})
                raise
            await send({"type": f"lifespan.{event}.complete"})

    def _route(self, scope: Scope) -> Route:
        methods = self._routes.get(scope["path"])
        if methods is None:
            known = ", ".join(sorted(path for path in self._routes if not path.endswith("/")))
            raise NotFound(f"There is nothing at {scope['path']!a}; there is {known}")
        route = methods.get(scope["method"])
        if route is None:
            allowed = ", ".join(methods)
            raise MethodNotAllowed(f"{scope['method']} is not answered here; use {allowed}", allowed)
        return route

    async def _decide(self, headers: Headers, receive: Receive) -> Response:
        arrived = self._ticks()
        override = self._override(headers) if VERSION_HEADER in headers else None
        body = await self._body(headers, receive)
        questions, many = self._decide_protocol.decode(body, self._now())
        answers = await self._decider.decide(questions, arrived, override)
        return Response(200, self._decide_protocol.encode(answers, many), JSON)

    async def _outcomes(self, headers: Headers, receive: Receive) -> Response:
        outcomes = self._outcomes_protocol.decode(await self._body(headers, receive), self._now())
        for outcome in outcomes:
            self._log.append(outcome)
        await self._log.commit()
        return Response(200, b'{"accepted":%d}' % len(outcomes), JSON)

    async def _metadata(self, _headers: Headers, _receive: Receive) -> Response:
        return Response(200, json.dumps(metadata(self._spec, self._roster.loaded)).encode(), JSON)

    async def _ready(self, _headers: Headers, _receive: Receive) -> Response:
        if self._roster.in_force is None:
            trouble = self._roster.report().trouble
            raise Unavailable(f"No version of {self._spec.name} is in force yet{': ' if trouble else ''}{trouble}")
        return Response(200, b'{"ready":true}', JSON)

    def _override(self, headers: Headers) -> int:
        """The version that an owner wants an answer from; raises Forbidden for anybody else."""
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        if not is_owner(authorization, read_digest(self._home)):
            raise Forbidden(
                f"{VERSION_HEADER.decode()} is for the owners of {self._spec.name}: send Authorization: Bearer <token>"
            )
        text = headers[VERSION_HEADER].decode("latin-1").strip()
        if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < LARGEST_VERSION):
            detail = f"must be the number of a version, such as 3, not {text[:40]!a}"
            raise Invalid(f"{VERSION_HEADER.decode()} {detail}", (Problem("", f"header {detail}"),))
        return int(text)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body, never more than the limit; raises UnsupportedMediaType, TooLarge, Malformed, ClientGone."""
        _require_json(headers)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise Malformed("Content-Length must be a number of bytes")
        if len(length) > 15 or int(length) > self._most_bytes:
            raise TooLarge(f"The body has {length.decode()[:20]} bytes; send at most {self._most_bytes}")
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
            if received > self._most_bytes:
                raise TooLarge(
                    f"The body has more than the {self._most_bytes} bytes that are accepted: send less at once"
                )
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _require_json(headers: Headers) -> None:
    kind = headers.get(b"content-type")
    if kind is not None and kind != b"application/json":
        media, _, parameters = kind.decode("latin-1").lower().partition(";")
        charset = parameters.replace(" ", "").replace('"', "")
        if media.strip() != "application/json" or charset not in ("", "charset=utf-8"):
            raise UnsupportedMediaType(f"Content-Type is {media[:60]!a}; send application/json in UTF-8")
    encoding = headers.get(b"content-encoding", b"identity")
    if encoding != b"identity":
        raise UnsupportedMediaType(f"Content-Encoding is {encoding.decode('latin-1')[:40]!a}; send the body as it is")
