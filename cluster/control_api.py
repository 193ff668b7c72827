"""Client of the control API and of the models' doors, for the command line and for programs that steer a Windvane."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx

from cluster.access import TOKEN_FILE, bearer
from cluster.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable, WindvaneError

TIMEOUT_SECONDS = 30.0
_KINDS: dict[int, type[WindvaneError]] = {403: Forbidden, 404: NotFound, 409: Conflict}


class ControlApi:
    """One Windvane at `url`; reads the owner's token from `home` when it is there."""

    def __init__(self, url: str, home: Path, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        headers = bearer(home / TOKEN_FILE)
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False, transport=transport
        )

    def status(self) -> dict[str, Any]:
        """Every model's champion, split, phase, findings, jobs and rates."""
        return self._object("GET", "/api/status")

    def deploy(self, model: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Make this declaration the one that serves; returns its digest and the champion."""
        return self._object("PUT", _api(model), spec)

    def undeploy(self, model: str, reason: str) -> dict[str, Any]:
        """The model is not to be served any more; taking its application down is the caller's."""
        return self._object("POST", f"{_api(model)}/undeploy", {"reason": reason})

    def versions(self, model: str) -> list[dict[str, Any]]:
        """All registered versions, oldest first."""
        found: list[dict[str, Any]] = self._object("GET", f"{_api(model)}/versions")["versions"]
        return found

    def events(self, model: str, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """What happened to the model, oldest first."""
        path = f"{_api(model)}/events?after={after}&limit={limit}"
        found: list[dict[str, Any]] = self._object("GET", path)["events"]
        return found

    def retrain(self, model: str, reason: str) -> dict[str, Any]:
        """Open a retrain request by hand; the loop submits, proves and rolls out."""
        return self._object("POST", f"{_api(model)}/retrain", {"reason": reason})

    def rollout(self, model: str) -> dict[str, Any]:
        """The current or last rollout, with its verdict."""
        return self._object("GET", f"{_api(model)}/rollout")

    def start_rollout(self, model: str, order: Mapping[str, Any]) -> dict[str, Any]:
        """Start proving a version; see `StartOrder` in serve_apps/admin.py for the fields."""
        return self._object("POST", f"{_api(model)}/rollout", order)

    def steer_rollout(self, model: str, verb: str, reason: str) -> dict[str, Any]:
        """`pause`, `resume`, `promote`, `abort` or `undo`."""
        return self._object("POST", f"{_api(model)}/rollout/{verb}", {"reason": reason})

    def pin(self, model: str, versions: list[int]) -> dict[str, Any]:
        """Versions that are always scored as shadows."""
        return self._object("PUT", f"{_api(model)}/pins", {"versions": versions})

    def policies(self) -> dict[str, Any]:
        """The policy set in force, the one that waits, and those before."""
        return self._object("GET", "/api/policies")

    def publish_policies(self, files: Mapping[str, str], reason: str) -> dict[str, Any]:
        """Propose a policy set, by file name."""
        return self._object("POST", "/api/policies", {"files": dict(files), "reason": reason})

    def decide_policies(self, version: str, verb: Literal["approve", "withdraw"], reason: str) -> dict[str, Any]:
        """Put the set that waits in force, or let it go."""
        return self._object("POST", f"/api/policies/{quote(version, safe='')}/{verb}", {"reason": reason})

    def record_consent(self, subject: str, purposes: Mapping[str, bool], model: str | None = None) -> dict[str, Any]:
        """Note what a subject agreed to or withdrew; answered once every replica goes by it."""
        order = {"purposes": dict(purposes), **({} if model is None else {"model": model})}
        return self._object("PUT", f"/api/subjects/{quote(subject, safe='')}/consent", order)

    def decide(self, model: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for a decision."""
        return self._object("POST", f"{_door(model)}/decide", request)

    def outcomes(self, model: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Say what happened after."""
        return self._object("POST", f"{_door(model)}/outcomes", body)

    def ready(self, model: str) -> bool:
        """Whether the model answers decisions."""
        try:
            return self._http.get(f"{_door(model)}/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def _object(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            reply = self._http.request(method, path, json=None if body is None else dict(body))
        except httpx.HTTPError as error:
            raise Unavailable(f"{self._url} does not answer ({error}); start it with `windvane up`.") from error
        if reply.status_code >= 400:
            raise _error(reply)
        try:
            answer = reply.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unavailable(f"What answers at {self._url} is not Windvane: it sent {reply.text[:80]!r}.")
        return answer


def _api(model: str) -> str:
    return f"/api/models/{quote(model, safe='')}"


def _door(model: str) -> str:
    return f"/v2/models/{quote(model, safe='')}"


def _error(reply: httpx.Response) -> WindvaneError:
    """The problem document as the error it was raised as."""
    try:
        problem = reply.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    lines = [str(problem.get("detail") or reply.text[:300] or reply.reason_phrase)]
    for each in problem.get("errors") or []:
        if isinstance(each, dict):
            lines.append(f"  {each.get('pointer', '')}: {each.get('detail', '')}")
    sentence = "\n".join(lines)
    if reply.status_code in (429, 503):
        return Unavailable(sentence)
    if reply.status_code in (400, 422):
        return Invalid(sentence)
    return _KINDS.get(reply.status_code, WindvaneError)(sentence)
