"""Every order that control is given, on the log before it is carried out, and every one that was refused."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request

from windvane.cluster.decision_log.write.trail import Trail
from windvane.cluster.errors import Denied, Unavailable, WindvaneError
from windvane.serve_apps.endpoints.refusal_log import LONGEST_ROUTE, LONGEST_WHY, REFUSED

logger = logging.getLogger(__name__)
LONGEST_NAME = 200
SUBJECT = "subject"  # in a path: a person's name, which stands nowhere in the clear
_UNSAID = ("model", SUBJECT)  # the one has its own place


class AdminAudit:
    """Tells of requests that change something; bodies stay out but for their reason."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    async def given(self, request: Request, who: str, body: Any) -> None:
        """Raises Unavailable when it cannot be recorded, and then it may not be carried out."""
        reason = body.get("reason") if isinstance(body, dict) else None
        detail = str(reason)[:LONGEST_WHY] if reason else "no reason was given"
        await asyncio.to_thread(self._tell, "ordered", who, detail, request, {})

    async def refused(self, request: Request, who: str, error: WindvaneError) -> None:
        """A refusal stands also when it cannot be recorded; a policy's says which, of which set."""
        by: dict[str, str] = {}
        if isinstance(error, Denied):
            by = {"policies": " ".join(error.policies), "policy_version": error.version}
        await self._refused(lambda: self._tell(REFUSED, who, str(error)[:LONGEST_WHY], request, by))

    async def refused_at(self, route: str, model: str, who: str, error: WindvaneError) -> None:
        """The same where there is no HTTP request."""
        told = (REFUSED, who, str(error)[:LONGEST_WHY], model[:LONGEST_NAME], {"order": route[:LONGEST_ROUTE]})
        await self._refused(lambda: self._trail.tell(*told))

    async def _refused(self, tell: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(tell)
        except Unavailable as unrecorded:
            logger.warning("A refused request is not on the log: %s", unrecorded)

    def _tell(self, kind: str, who: str, detail: str, request: Request, more: Mapping[str, str]) -> None:
        given = {name: _legible(str(value)[:LONGEST_NAME]) for name, value in request.path_params.items()}
        facts = {name: value for name, value in given.items() if name not in _UNSAID}
        order = {"order": f"{request.method} {route_of(request)}", **facts, **more}
        self._trail.tell(kind, who, _legible(detail), given.get("model", ""), order)


def route_of(request: Request) -> str:
    """The path as its route is declared; empty where no route was found."""
    return str(getattr(request.scope.get("route"), "path", ""))


def asked_of(request: Request) -> str:
    """The method and the path, without the name of whoever it is about."""
    path = route_of(request) if SUBJECT in request.path_params else request.url.path
    return f"{request.method} {path}"


def _legible(text: str) -> str:
    """The same in real Unicode: JSON can spell half of a surrogate pair, which no record can hold."""
    return text.encode("utf-8", "backslashreplace").decode()
