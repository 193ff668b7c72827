"""Client of the control API and the models' endpoints, for the command line and for programs that steer a Windvane."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx

from windvane.cluster.errors import (
    Conflict,
    Denied,
    Forbidden,
    Invalid,
    NotFound,
    Unauthorized,
    Unavailable,
    WindvaneError,
)
from windvane.cluster.host.secret_files import bearer

TIMEOUT_SECONDS = 30.0
_KINDS: dict[int, type[WindvaneError]] = {403: Forbidden, 404: NotFound, 409: Conflict}


class ControlApi:
    """One Windvane at `url`; shows the key in `key_file` when there is one."""

    def __init__(self, url: str, key_file: Path, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        self._key_file = key_file
        headers = bearer(key_file)
        self._shows = bool(headers)
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

    def card(self, model: str, version: int) -> dict[str, Any]:
        """Model card of a version, in Markdown."""
        return self._object("GET", f"{_api(model)}/versions/{version}/card")

    def events(self, model: str, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Events of the model, oldest first."""
        path = f"{_api(model)}/events?after={after}&limit={limit}"
        found: list[dict[str, Any]] = self._object("GET", path)["events"]
        return found

    def explain(self, model: str, decision_id: str) -> dict[str, Any]:
        """Explanation of a recorded decision, from the log and the registered version."""
        return self._object("GET", f"{_api(model)}/decisions/{quote(decision_id, safe='')}/explanation")

    def retrain(self, model: str, reason: str) -> dict[str, Any]:
        """Open a retrain request by hand; the loop submits, proves and rolls out."""
        return self._object("POST", f"{_api(model)}/retrain", {"reason": reason})

    def rollout(self, model: str) -> dict[str, Any]:
        """The current or last rollout, with its verdict."""
        return self._object("GET", f"{_api(model)}/rollout")

    def start_rollout(self, model: str, order: Mapping[str, Any]) -> dict[str, Any]:
        """Start proving a version; see `StartOrder` in serve_apps/admin/rollout_routes.py for the fields."""
        return self._object("POST", f"{_api(model)}/rollout", order)

    def steer_rollout(self, model: str, verb: str, reason: str) -> dict[str, Any]:
        """`pause`, `resume`, `promote`, `abort` or `undo`."""
        return self._object("POST", f"{_api(model)}/rollout/{verb}", {"reason": reason})

    def answer_rollout(self, model: str, verb: str, order: Mapping[str, Any]) -> dict[str, Any]:
        """`approve` or `reject`; see `ApprovalOrder` in serve_apps/admin/rollout_routes.py for the fields."""
        return self._object("POST", f"{_api(model)}/rollout/{verb}", order)

    def pin(self, model: str, versions: list[int]) -> dict[str, Any]:
        """Versions that are always scored as shadows."""
        return self._object("PUT", f"{_api(model)}/pins", {"versions": versions})

    def lineage(self, decision_id: str) -> dict[str, Any]:
        """Lineage of a decision."""
        return self._object("GET", f"/api/decisions/{quote(decision_id, safe='')}/lineage")

    def export_subject(self, subject: str, reason: str) -> dict[str, Any]:
        """Everything that is held about a subject, readable."""
        return self._object("POST", "/api/privacy/export", {"subject": subject, "reason": reason})

    def erase_subject(self, subject: str, reason: str) -> dict[str, Any]:
        """Destroy the subject's keys."""
        return self._object("POST", "/api/privacy/erase", {"subject": subject, "reason": reason})

    def create_key(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Make a key; its `key` is shown in this reply and never again. See `KeyAsked` in `admin/key_routes.py`."""
        return self._object("POST", "/api/keys", order)

    def list_keys(self) -> list[dict[str, Any]]:
        """Every key on record, oldest first, without what opens anything."""
        found: list[dict[str, Any]] = self._object("GET", "/api/keys")["keys"]
        return found

    def revoke_key(self, key_id: str, reason: str) -> dict[str, Any]:
        """The key opens nothing any more."""
        return self._object("POST", f"/api/keys/{quote(key_id, safe='')}/revoke", {"reason": reason})

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
        return self._object("POST", f"{_endpoint(model)}/decide", request)

    def outcomes(self, model: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Say what happened after."""
        return self._object("POST", f"{_endpoint(model)}/outcomes", body)

    def ready(self, model: str) -> bool:
        """Whether the model answers decisions."""
        try:
            return self._http.get(f"{_endpoint(model)}/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Let go of its connections."""
        self._http.close()

    def _object(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            reply = self._http.request(method, path, json=None if body is None else dict(body))
        except httpx.HTTPError as error:
            raise Unavailable(f"{self._url} does not answer ({error}); start it with `windvane up`.") from error
        if reply.status_code == 401:
            raise Unauthorized(
                f"{_error(reply)}\nThe key in {self._key_file} was shown; name another file with WINDVANE_KEY_FILE."
                if self._shows
                else f"There is no key in {self._key_file}: `windvane up` makes the first one; another file is named "
                "by WINDVANE_KEY_FILE."
            )
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


def _endpoint(model: str) -> str:
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
    if reply.status_code == 403 and "policy_version" in problem:
        policies, decision_ids = (tuple(map(str, problem.get(name) or ())) for name in ("policies", "decision_ids"))
        return Denied(sentence, policies, str(problem["policy_version"]), decision_ids)
    if reply.status_code in (429, 503):
        return Unavailable(sentence)
    if reply.status_code in (400, 422):
        return Invalid(sentence)
    return _KINDS.get(reply.status_code, WindvaneError)(sentence)
