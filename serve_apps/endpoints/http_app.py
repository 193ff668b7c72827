"""Serves a model over HTTP: raw ASGI, no framework; finds the route, reads the body, maps every error once."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

from windvane.cluster.callers.caller import Caller, demand_role
from windvane.cluster.errors import Forbidden, Invalid, NotFound, Problem, WindvaneError
from windvane.configs.access import ROLES
from windvane.serve_apps.endpoints.authentication import CLIENTS, chooses
from windvane.serve_apps.endpoints.data_plane import DataPlane
from windvane.serve_apps.endpoints.deadline import SINCE, deadline_of, waited
from windvane.serve_apps.endpoints.disconnects import Disconnects
from windvane.serve_apps.endpoints.http_request import (
    LONGEST_COUNT,
    ClientGone,
    Headers,
    Receive,
    Scope,
    Send,
    demand_json,
    read_body,
)
from windvane.serve_apps.endpoints.oip_http import JSON, Methods, OipHttp, Route
from windvane.serve_apps.pipeline.ports import Log
from windvane.serve_apps.protocol.decide import Decide
from windvane.serve_apps.protocol.infer_reply import refusal
from windvane.serve_apps.protocol.outcomes import Outcomes
from windvane.serve_apps.protocol.problem import MethodNotAllowed, Response, problem
from windvane.serve_apps.protocol.unforeseen import told

Hook: TypeAlias = Callable[[], Awaitable[None]]

VERSION_HEADER = b"x-windvane-version"
REPORT_OUTCOME = "report_outcome"  # as policies name it
LARGEST_VERSION = 10**9
LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that ask for no work
logger = logging.getLogger(__name__)


class HttpApp:
    """Everything under `/v2/models/{model}`; `start` and `stop` run with the server's lifespan."""

    def __init__(self, data_plane: DataPlane, log: Log, start: Hook, stop: Hook) -> None:
        spec = data_plane.model.spec
        self._spec = spec
        self._authentication = data_plane.authentication
        self._decider = data_plane.decider
        self._policy_check = data_plane.model.policy_check
        self._log = log
        self._counts = data_plane.counts
        self._start = start
        self._stop = stop
        self._now = data_plane.clock.now
        self._ticks = data_plane.clock.ticks
        self._decide_protocol = Decide(spec)
        self._outcomes_protocol = Outcomes(spec)
        self._most_bytes = spec.serving.max_body_bytes
        self._disconnects = Disconnects(self._ticks)
        self._inference = OipHttp(data_plane, self._disconnects, self._override)
        self._own_routes: dict[str, Methods] = {
            f"/v2/models/{spec.name}/decide": {"POST": Route(self._decide, CLIENTS)},
            f"/v2/models/{spec.name}/outcomes": {"POST": Route(self._outcomes, CLIENTS)},
        }
        self._routes = self._own_routes | self._inference.routes

    def templates(self) -> dict[str, frozenset[str]]:
        """Every path that is answered, a version as `{version}`, and its methods; `/` at the end says nothing else."""
        fixed = {path: frozenset(methods) for path, methods in self._routes.items() if not path.endswith("/")}
        return fixed | self._inference.version_templates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection: HTTP requests and the lifespan; anything else is refused."""
        if scope["type"] != "http":
            await self._other(scope["type"], receive, send)
            return
        headers = dict(scope["headers"])
        headers.pop(SINCE, None)  # anybody's word: the ingress alone knows that our HAProxy is in front
        response = await self.answer(scope, headers, receive)
        if response is not None:
            sent = [*response.headers, (b"content-length", b"%d" % len(response.body))]
            await send({"type": "http.response.start", "status": response.status, "headers": sent})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else response.body})

    async def answer(self, scope: Scope, headers: Headers, receive: Receive) -> Response | None:
        """The reply to one HTTP request, an error's too; None when its client is gone. `headers` are the scope's."""
        caller = None
        try:
            caller = await self._authentication.admit(scope["headers"])
            self._authentication.demand(caller)
            route = self._route(scope)
            demand_role(caller, *route.roles)
            return await route.answer(headers, receive, caller)
        except ClientGone:
            return None
        except WindvaneError as error:
            self._authentication.refused(error, self._recorded(scope), caller)
            return self._refusal(error, scope)
        except Exception as error:
            logger.exception("%s was not answered", self._recorded(scope))
            return self._refusal(told(error), scope)

    def shed(self, error: WindvaneError) -> None:
        """Count a request that is refused before it is read."""
        self._counts.refused(error)

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
        methods = self._routes.get(scope["path"]) or self._inference.version_routes(scope["path"])
        if methods is None:
            known = ", ".join(sorted(path for path in self._routes if not path.endswith("/")))
            raise NotFound(f"There is nothing at {scope['path']!a}; there is {known}")
        method = scope["method"]
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"])
            if method == "OPTIONS":
                return Route(partial(_options, allowed), ROLES)
            raise MethodNotAllowed(f"{method} is not answered here; use {allowed}", allowed)
        return route

    def _recorded(self, scope: Scope) -> str:
        """Method and path as logs and records have them: a path that is none of ours may name anybody."""
        path = scope["path"]
        known = path if path in self._routes else self._inference.version_template(path)
        return f"{scope['method']} {known or 'an unknown path'}"

    def _refusal(self, error: WindvaneError, scope: Scope) -> Response:
        """Problem details from our own endpoints, the protocol's `error` from its own; counted unless it only looks."""
        path = scope["path"]
        if scope["method"] not in LOOKING:
            self._counts.refused(error)
        return problem(error, path) if path in self._own_routes else refusal(error, path)

    async def _decide(self, headers: Headers, receive: Receive, caller: Caller) -> Response:
        arrived = self._ticks() - waited(headers, self._now)
        deadline = deadline_of(headers, arrived)
        override = self._override(headers, caller)
        body = await self._body(headers, receive)
        await self._decider.body_queue.turn(len(body))
        asked = self._decide_protocol.decode(body, self._now())
        self._authentication.debit(caller, len(asked))
        with self._disconnects.watch(headers, receive):
            answers = await self._decider.decide(asked.questions, arrived, override, deadline, caller=caller)
        if asked.warnings or asked.refused:
            self._counts.answered(asked.warnings, asked.refused)
        return Response(200, self._decide_protocol.encode(asked, answers), JSON)

    async def _outcomes(self, headers: Headers, receive: Receive, caller: Caller) -> Response:
        self._policy_check.demand(caller, REPORT_OUTCOME)
        reported = self._outcomes_protocol.decode(await self._body(headers, receive), self._now(), caller.name)
        self._authentication.debit(caller, len(reported))
        for outcome in reported.outcomes:
            self._log.append(outcome)
        await self._log.commit()
        if reported.refused:
            self._counts.answered({}, reported.refused)
        return Response(200, self._outcomes_protocol.encode(reported), JSON)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        demand_json(headers)
        return await read_body(headers, receive, self._most_bytes)

    def _override(self, headers: Headers, caller: Caller) -> int | None:
        """The version that an owner wants an answer from, if any; raises Forbidden for anybody else."""
        if VERSION_HEADER not in headers:
            return None
        if not chooses(caller):
            raise Forbidden(f"{VERSION_HEADER.decode()} is for the owners of {self._spec.name}: leave it out")
        text = headers[VERSION_HEADER].decode("latin-1").strip()
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_COUNT else 0
        if not 0 < number < LARGEST_VERSION:
            detail = f"must be the number of a version, such as 3, not {text[:40]!a}"
            raise Invalid(f"{VERSION_HEADER.decode()} {detail}", (Problem("", f"header {detail}", "type", "header"),))
        return number


async def _options(allowed: str, _headers: Headers, _receive: Receive, _caller: Caller) -> Response:
    """Answer OPTIONS: the methods of a path."""
    return Response(204, b"", ((b"allow", allowed.encode()),))
