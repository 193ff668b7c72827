"""Answers exceptions that nobody foresaw with a problem document, and logs where they were raised."""

import logging
from collections.abc import MutableMapping
from typing import Any

from windvane.cluster.errors import WindvaneError
from windvane.serve_apps.endpoints.http_request import Receive, Scope, Send
from windvane.serve_apps.protocol.infer_reply import refusal_at

SENTENCE = (
    "This is a fault of the server, not of the request: where it happened is in control's log. Parts of an order may "
    "be done: look with `windvane status` before you send it again, and tell whoever runs Windvane if it fails again"
)
logger = logging.getLogger(__name__)


class Faults:
    """ASGI middleware inside Starlette's own, which answers in plain text and hands the exception on to the server."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection; raises only where a reply is half sent, which the server then breaks off."""
        begun = False

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if scope["type"] != "http" or begun:
                raise
            route = getattr(scope.get("route"), "path", "an unknown path")  # a path itself may name a subject
            logger.exception("%s %s was not answered", scope["method"], route)
            told = refusal_at(WindvaneError(SENTENCE), scope["path"])
            await send({"type": "http.response.start", "status": told.status, "headers": list(told.headers)})
            await send({"type": "http.response.body", "body": told.body})
