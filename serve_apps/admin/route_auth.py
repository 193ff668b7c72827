"""Admits callers to the control API's routes: every route names its roles, and one that does not stops the start."""

from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any, TypeAlias

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute

from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.caller import Caller, demand_all_models, demand_model, demand_role
from windvane.cluster.callers.credential import credentials_in
from windvane.cluster.errors import Malformed, WindvaneError
from windvane.configs.access import ROLES, Role
from windvane.serve_apps.admin.admin_audit import AdminAudit, asked_of
from windvane.serve_apps.endpoints.deadline import SINCE
from windvane.serve_apps.endpoints.http_request import ClientGone, Receive, read_body
from windvane.serve_apps.endpoints.refusal_log import RefusalLog
from windvane.serve_apps.protocol import strict_json
from windvane.serve_apps.protocol.problem import UnsupportedMediaType

Json: TypeAlias = dict[str, Any]
READERS: tuple[Role, ...] = ("owner", "operator", "compliance", "admin")
MOST_BYTES = 4 << 20  # of a body; clients may send some too, and control has one replica
ALL_MODELS = "x-all-models"
SCHEMES = ("bearer", "apiKey")  # as the document calls the two headers that a key may stand in


def needs(*roles: Role, **more: Any) -> Json:
    """A route's `openapi_extra`: whoever has one of these roles may ask, in OpenAPI 3.1's own words.

    >>> needs("admin")
    {'security': [{'bearer': ['admin']}, {'apiKey': ['admin']}]}
    """
    if not roles:
        raise ValueError("name the roles of which one is needed, or say open_to_all()")
    return {"security": [{scheme: [role]} for role in roles for scheme in SCHEMES], **more}


def needs_all_models(*roles: Role) -> Json:
    """The same of what is about all models at once, or about who may use them: the key has to be for all of them."""
    return needs(*roles, **{ALL_MODELS: True})


def open_to_all(**more: Any) -> Json:
    """A route's `openapi_extra`: it tells nothing that is anybody's, and so it asks for no key."""
    return {"security": [], **more}


def roles_of(route: APIRoute) -> tuple[Role, ...] | None:
    """The roles of which a caller needs one, None when it is open; raises ValueError when the route does not say."""
    said = (route.openapi_extra or {}).get("security")
    if said is None:
        raise ValueError(f"{route.path} does not say who may ask: give it openapi_extra=needs(...) or open_to_all()")
    named = {role for requirement in said for roles in requirement.values() for role in roles}
    return tuple(role for role in ROLES if role in named) if said else None


def caller_of(request: Request) -> Caller:
    """The caller, once a route that needs roles has let the request in."""
    caller: Caller = request.state.caller
    return caller


class RouteAuth:
    """Lets requests of the control API in."""

    def __init__(
        self, authenticator: Authenticator, refusal_log: RefusalLog, admin_audit: AdminAudit | None = None
    ) -> None:
        """`admin_audit` puts on the log what is ordered, and what is refused."""
        self._authenticator = authenticator
        self._refusal_log = refusal_log
        self._admin_audit = admin_audit

    async def admit(self, request: Request, roles: tuple[Role, ...], model: str | None) -> None:
        """Raises Unauthorized, TooFast, or Forbidden without one of the roles or for another's model."""
        caller = await self._authenticator.admit(*credentials_in(request.headers.raw))
        request.state.caller = caller
        self._authenticator.charge(caller)
        if model is not None:
            demand_model(caller, model)
        demand_role(caller, *roles)

    async def refused(self, error: WindvaneError, request: Request) -> None:
        """Put it on record when it was for who asks; in a flood of them not each."""
        caller = getattr(request.state, "caller", None)
        told = self._refusal_log.note(error, asked_of(request), caller)
        if told and self._admin_audit is not None:
            await self._admin_audit.refused(request, "" if caller is None else caller.name, error)

    async def ordered(self, request: Request, body: Any) -> None:
        """Put on record what is about to be done; raises Unavailable, and then it may not be."""
        if self._admin_audit is not None:
            caller = getattr(request.state, "caller", None)
            await self._admin_audit.given(request, "" if caller is None else caller.name, body)

    def route_class(self) -> type[APIRoute]:
        """Routes that ask who calls before they read a byte of the body, and then read it strictly."""
        route_auth = self

        class Guarded(APIRoute):
            guarded = True

            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                answer, roles = super().get_route_handler(), roles_of(self)
                reads = not (self.methods or set()).difference(("GET", "HEAD"))
                about_all = ALL_MODELS in (self.openapi_extra or {})

                async def guarded(request: Request) -> Response:
                    if roles is not None:
                        await route_auth.admit(request, roles, request.path_params.get("model"))
                    if about_all:
                        demand_all_models(caller_of(request))
                    if not reads:
                        _demand_json(request.headers.get("content-type", ""))
                        body = await _whole(request)
                        await route_auth.ordered(request, strict_json.parse(body))
                        request = Request(request.scope, _again(body, request.receive))
                    return await answer(request)

                async def recorded(request: Request) -> Response:
                    try:
                        return await guarded(request)
                    except WindvaneError as error:
                        await route_auth.refused(error, request)
                        raise

                return recorded

        return Guarded


def demand_guards(app: FastAPI) -> None:
    """Raise ValueError when the app has a route that would answer and never asked who calls."""
    for route in app.routes:
        if not getattr(route, "guarded", False):
            raise ValueError(f"{route} is not guarded: add routes to the app itself, whose route class is RouteAuth's")


async def _whole(request: Request) -> bytes:
    """The body; raises TooLarge before it is read whole, RequestTimeout when it is too slow."""
    headers = dict(request.headers.raw)
    headers.pop(SINCE, None)  # anybody's word: HAProxy stamps a model's requests only
    try:
        return await read_body(headers, request.receive, MOST_BYTES)
    except ClientGone as error:
        raise Malformed("The body did not come whole") from error  # nobody reads this: its sender hung up


def _again(body: bytes, receive: Receive) -> Receive:
    """Tells the body that was read, once, and then what follows it."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def told() -> MutableMapping[str, Any]:
        return left.pop() if left else await receive()

    return told


def _demand_json(kind: str) -> None:
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType(f"Content-Type is {kind[:60]!a}; send application/json in UTF-8")
