"""HEAD and OPTIONS on every path of the control API, as load balancers, link checkers and browsers send them."""

from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI
from starlette.routing import Match, Route

from serve_apps.http_request import Receive, Scope, Send

ALWAYS = frozenset({"OPTIONS"})


class Probes:
    """ASGI middleware: HEAD is GET without its body, OPTIONS says what a path answers and asks for no key."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        method = scope.get("method")
        if method == "OPTIONS" and (found := methods_at(scope["app"], scope)):
            allowed = ", ".join(sorted(found)).encode()
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allowed)]})
            await send({"type": "http.response.body", "body": b""})
        elif method == "HEAD":
            asked = {**scope, "method": "GET"} if "GET" in methods_at(scope["app"], scope) else scope
            await self._app(asked, receive, _without_body(send))
        else:
            await self._app(scope, receive, send)


def methods_at(app: FastAPI, scope: Scope) -> frozenset[str]:
    """Every method that is answered at this path; none where there is nothing."""
    found: set[str] = set()
    for route in app.routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return frozenset(found | {"HEAD"} | ALWAYS if "GET" in found else found | ALWAYS) if found else frozenset()


def _without_body(send: Send) -> Send:
    async def told(message: MutableMapping[str, Any]) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return told
