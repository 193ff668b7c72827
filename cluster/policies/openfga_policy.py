"""The port's adapter to an OpenFGA server (`openfga-sdk`, the extra `openfga`), for those who run one.

Each request is one Check: may `caller:<name>` have `can_<action>` to `model:<name>` (or `system:windvane`)? Roles and
scope go along as contextual tuples, mandate and context as the context of conditions; docs/policy.md has the model that
the server needs. Nothing is remembered: tuples can change at any moment, and the server does not say when. So this is
a round trip for each request and blocks meanwhile: it suits what people do, and not the event loop of the fast path.
"""

import logging
from collections.abc import Mapping
from threading import local
from typing import Any
from urllib.parse import quote

import msgspec
from openfga_sdk.client.configuration import ClientConfiguration
from openfga_sdk.credentials import CredentialConfiguration, Credentials
from openfga_sdk.sync import OpenFgaClient

from windvane.cluster.errors import Invalid
from windvane.cluster.policies.policy import ACT, DECIDE, UNEVALUATED, WHOLE, Request, Verdict

_TIMEOUTS = (0.2, 60.0)  # seconds; the SDK takes up to 100 of its milliseconds for seconds
logger = logging.getLogger(__name__)


class OpenFgaPolicy:
    """One authorization model of one OpenFGA store; whatever goes wrong on the way denies."""

    def __init__(
        self, api_url: str, store_id: str, model_id: str, token: str | None = None, timeout_seconds: float = 1.0
    ) -> None:
        if not _TIMEOUTS[0] <= timeout_seconds <= _TIMEOUTS[1]:
            raise Invalid(f"timeout_seconds is {timeout_seconds:g}; choose from {_TIMEOUTS[0]:g} to {_TIMEOUTS[1]:g}")
        if not model_id:
            raise Invalid("Name the authorization model: without it, the server would judge by whichever is newest")
        given = Credentials("api_token", CredentialConfiguration(api_token=token)) if token else None
        configuration = ClientConfiguration(
            api_url=api_url,
            store_id=store_id,
            authorization_model_id=model_id,
            credentials=given,
            timeout_millisec=round(1000 * timeout_seconds),
        )
        configuration.retries = 0  # urllib3's own, or a server that is down would cost the timeout four times
        configuration.retry_params.max_retry = 0
        self._configuration = configuration
        self._of_thread = local()  # the SDK keeps the last answer on its client: two threads would swap theirs
        self._clients: list[OpenFgaClient] = []
        self._store_id = store_id
        self._model_id = model_id

    @property
    def version(self) -> str:
        """The authorization model's id: the server never changes a model, but makes another one."""
        return f"openfga:{self._model_id}"

    def judge(self, request: Request) -> Verdict:
        """The server's answer; `refer` where an action is denied and `can_refer` is not."""
        try:
            return self._judged(request)
        except Exception as error:  # no server, no answer, not its answer: denied
            logger.exception("OpenFGA did not answer for %r", request.action)
            return Verdict(False, (), UNEVALUATED, self.version, errors=(f"{type(error).__name__}: {error}",))

    def close(self) -> None:
        """Let the connections go."""
        while self._clients:
            self._clients.pop().close()

    def _client(self) -> OpenFgaClient:
        client: OpenFgaClient | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = self._of_thread.client = OpenFgaClient(self._configuration)
            self._clients.append(client)
        return client

    def _judged(self, request: Request) -> Verdict:
        relation = f"can_{request.action}"
        if self._check(request, relation):
            taken = request.context.get("action")
            adverse = request.action == ACT and request.mandate is not None and taken in request.mandate.adverse
            return Verdict(True, (relation,), "", self.version, requires=("explanation",) if adverse else ())
        if request.action == ACT and self._check(request, "can_refer"):
            reason = f"A person has to decide this on {request.model}."
            return Verdict(False, ("can_refer",), reason, self.version, refer=True)
        about = "" if request.model is None else f" on {request.model}"
        reason = f"No policy allows {request.caller.name} to {request.action}{about}."
        return Verdict(False, (relation,), reason, self.version)

    def _check(self, request: Request, relation: str) -> bool:
        """One Check, by the wire's own JSON: the SDK's `check` reads `{"allowed": "false"}` as True."""
        reply = self._client().execute_api_request(
            operation_name="Check",
            method="POST",
            path="/stores/{store_id}/check",
            path_params={"store_id": self._store_id},
            body=_body(request, relation, self._model_id),
        )
        answer = reply.json()
        if not isinstance(answer, Mapping) or type(answer.get("allowed")) is not bool:
            raise ValueError(f"an answer without a true or false `allowed`: {str(reply.text())[:200]}")
        return bool(answer["allowed"])


def _body(request: Request, relation: str, model_id: str) -> dict[str, Any]:
    user, thing = _object("caller", request.caller.name), _thing(request)
    tuples = [_tuple(user, "assignee", _object("role", role)) for role in sorted(request.caller.roles)]
    scope = request.caller.models
    if scope is None or (request.model is not None and request.model in scope):
        tuples.append(_tuple(user, "in_scope", thing))
    return {
        "tuple_key": _tuple(user, relation, thing),
        "contextual_tuples": {"tuple_keys": tuples},
        "context": _context(request),
        "authorization_model_id": model_id,
        "consistency": "HIGHER_CONSISTENCY",  # a withdrawn right must not live on in the server's cache
    }


def _context(request: Request) -> dict[str, Any]:
    """What conditions can look at: mandate and context, whose names are distinct.

    The server fails a condition one of whose parameters is missing, so what is absent is said: no consent was given, no
    risk is too high.
    """
    declared = {} if request.mandate is None else msgspec.structs.asdict(request.mandate)
    if declared.get("refer_from_ppm", WHOLE) is None:
        declared["refer_from_ppm"] = WHOLE + 1
    absent = {"consent": False} if request.action == DECIDE else {}
    said = {**absent, **request.context, **declared, "caller": request.caller.name}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in said.items()}


def _thing(request: Request) -> str:
    return "system:windvane" if request.model is None else _object("model", request.model)


def _object(kind: str, name: str) -> str:
    """`kind:name` with everything quoted that OpenFGA reads as its own: `*` would be everybody, `#` a relation."""
    if not name:
        raise ValueError(f"a {kind} without a name")
    return f"{kind}:{quote(name, safe='@')}"


def _tuple(user: str, relation: str, thing: str) -> dict[str, str]:
    return {"user": user, "relation": relation, "object": thing}
