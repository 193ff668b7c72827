"""Every order that control is given, on the log before it is carried out, and every one that was refused.

A record outlives every erasure, and whoever mistakes a path writes what they please into it. So a path is recorded as
its route is declared, with those of its parts that are of a known form or name a model that is known.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request

from windvane.cluster.decision_log.read.lookup import DECISION_ID
from windvane.cluster.decision_log.write.trail import Trail
from windvane.cluster.errors import Denied, Unavailable, WindvaneError
from windvane.cluster.policies.policy_set import VERSION
from windvane.serve_apps.endpoints.refusal_log import LONGEST_ROUTE, LONGEST_WHY, REFUSED

logger = logging.getLogger(__name__)
LONGEST_NAME = 200
NOBODYS = "an unknown path"
# Parts of a path that are recorded, by name, where they are of this form; the model has its own place.
_FORMS = {
    "decision_id": DECISION_ID,
    "version": re.compile(rf"[0-9]{{1,10}}|{VERSION.pattern}"),
    "key_id": re.compile("[0-9a-f]{12}"),
    "verb": re.compile("pause|resume|promote|abort|undo"),
}


class AdminAudit:
    """Tells of requests that change something; bodies stay out but for their reason."""

    def __init__(self, trail: Trail, known: Callable[[str], bool]) -> None:
        """`known` tells whether there is, or was, a model of that name; it blocks, and may raise Unavailable."""
        self._trail = trail
        self._known = known

    async def given(self, request: Request, who: str, body: Any) -> None:
        """Raises Unavailable when it cannot be recorded, and then it may not be carried out."""
        said = body if isinstance(body, dict) else {}
        reason, subject = said.get("reason"), said.get("subject")
        detail = str(reason)[:LONGEST_WHY] if reason else "no reason was given"
        if isinstance(subject, str):
            detail = without(subject, detail, "the subject")
        named = said.get("name") == request.path_params.get("model")  # a declaration, which makes the model
        await asyncio.to_thread(self._tell, "ordered", who, detail, request, {}, named)

    async def refused(self, request: Request, who: str, error: WindvaneError) -> None:
        """A refusal stands also when it cannot be recorded; a policy's says which, of which set."""
        by: dict[str, str] = {}
        if isinstance(error, Denied):
            by = {"policies": " ".join(error.policies), "policy_version": error.version}
        await self._refused(lambda: self._tell(REFUSED, who, str(error)[:LONGEST_WHY], request, by))

    async def refused_at(self, route: str, model: str, who: str, error: WindvaneError) -> None:
        """The same where there is no HTTP request."""
        told = REFUSED, who, str(error)[:LONGEST_WHY]
        await self._refused(lambda: self._trail.tell(*told, self._named(model), {"order": route[:LONGEST_ROUTE]}))

    async def _refused(self, tell: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(tell)
        except Unavailable as unrecorded:
            logger.warning("A refused request is not on the log: %s", unrecorded)

    def _tell(
        self, kind: str, who: str, detail: str, request: Request, more: Mapping[str, str], named: bool = False
    ) -> None:
        given = {name: str(value) for name, value in request.path_params.items()}
        facts = {name: given[name] for name, form in _FORMS.items() if form.fullmatch(given.get(name, ""))}
        model = given.get("model", "")
        order = {"order": asked_of(request), **facts, **more}
        self._trail.tell(kind, who, _legible(detail), model[:LONGEST_NAME] if named else self._named(model), order)

    def _named(self, model: str) -> str:
        """The model's name, empty where it is none."""
        return model if model and self._known(model) else ""


def asked_of(request: Request) -> str:
    """The method, and the path as its route is declared."""
    return f"{request.method} {getattr(request.scope.get('route'), 'path', NOBODYS)}"


def without(subject: str, text: str, instead: str) -> str:
    """The text with the subject's name replaced, in whichever case it is written.

    >>> without("Ana Lee", "ana lee asked for it", "the subject")
    'the subject asked for it'
    """
    return re.sub(rf"(?<!\w){re.escape(subject)}(?!\w)", lambda _: instead, text, flags=re.IGNORECASE)


def _legible(text: str) -> str:
    """The same in real Unicode: JSON can spell half of a surrogate pair, which no record can hold."""
    return text.encode("utf-8", "backslashreplace").decode()
