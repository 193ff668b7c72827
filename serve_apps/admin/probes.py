"""HEAD and OPTIONS on every path of the control API, as load balancers, link checkers and browsers send them."""

from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match

from windvane.configs.access import ROLES
from windvane.serve_apps.admin.route_auth import RouteAuth, roles_of
from windvane.serve_apps.endpoints.http_request import Receive, Scope, Send


class Probes:
    """ASGI middleware: HEAD is GET without its body, keys and all."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope.get("method") != "HEAD":
            await self._app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"} if "GET" in methods_at(scope["app"], scope) else scope
        await self._app(asked, receive, _without_body(send))


async def options(request: Request, route_auth: RouteAuth) -> Response | None:
    """Methods of a path, None where there is nothing; raises as `RouteAuth.admit` where its routes ask for a key."""
    found = _routes_at(request.app, request.scope)
    if not found:
        return None
    if any(roles_of(route) is not None for route, _ in found):
        await route_auth.admit(request, ROLES, found[0][1].get("model"))
    return Response(status_code=204, headers={"allow": ", ".join(sorted(methods_at(request.app, request.scope)))})


def methods_at(app: FastAPI, scope: Scope) -> frozenset[str]:
    """Every method that is answered at this path; none where there is nothing."""
    found = {method for route, _ in _routes_at(app, scope) for method in route.methods or ()}
    return frozenset(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())) if found else frozenset()


def _routes_at(app: FastAPI, scope: Scope) -> list[tuple[APIRoute, dict[str, str]]]:
    """The app's routes of this path, whatever the method, with what the path says."""
    found = []
    for route in app.routes:
        if isinstance(route, APIRoute):
            match, told = route.matches(scope)
            if match is not Match.NONE:
                found.append((route, told["path_params"]))
    return found


def _without_body(send: Send) -> Send:
    async def told(message: MutableMapping[str, Any]) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return told
