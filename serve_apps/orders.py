"""Every order that control is given, on the log before it is carried out, and every one that was refused."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from cluster.decision_log.trail import Trail
from cluster.errors import Denied, Unavailable, WindvaneError

logger = logging.getLogger(__name__)
_UNSAID = ("model", "subject")  # the one has its own place, and people's names stand nowhere in the clear


class Orders:
    """Tells of requests that change something; bodies stay out but for their reason."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    async def given(self, request: Request, who: str, body: Any) -> None:
        """Raises Unavailable when it cannot be recorded, and then it may not be carried out."""
        reason = body.get("reason") if isinstance(body, dict) else None
        detail = str(reason)[:500] if reason else "no reason was given"
        await asyncio.to_thread(self._tell, "ordered", who, detail, request, {})

    async def refused(self, request: Request, who: str, error: WindvaneError) -> None:
        """A refusal stands also when it cannot be recorded; a policy's says which, of which set."""
        by: dict[str, str] = {}
        if isinstance(error, Denied):
            by = {"policies": " ".join(error.policies), "policy_version": error.version}
        try:
            await asyncio.to_thread(self._tell, "refused", who, str(error)[:500], request, by)
        except Unavailable as unrecorded:
            logger.warning("A refused request is not on the log: %s", unrecorded)

    def _tell(self, kind: str, who: str, detail: str, request: Request, more: Mapping[str, str]) -> None:
        given = request.path_params
        facts = {name: str(value)[:200] for name, value in given.items() if name not in _UNSAID}
        route = getattr(request.scope.get("route"), "path", "")
        order = {"order": f"{request.method} {route}", **facts, **more}
        self._trail.tell(kind, who, detail, str(given.get("model", ""))[:200], order)
