"""OpenFGA behind the port, by its HTTP contract: what is sent, and that every other answer than true denies."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from tests.worlds.policies import CLIENT, asks
from windvane.cluster.errors import Invalid
from windvane.cluster.policies.policy import UNEVALUATED, Mandate, Standing

STORE, MODEL = "01HVMMBCMGZNT3SED4Z17ECXCA", "01HVMMBDCTCYF1FZ3HM2YQG4YV"
Reply = tuple[int, str]


class Server:
    """Answers Checks on the loopback as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.answer: Callable[[dict[str, Any]], Reply] = lambda _: (200, '{"allowed": true}')
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status, text = server.answer(body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def relation(self, allowed: dict[str, bool]) -> None:
        """Answer by relation."""
        self.answer = lambda body: (200, json.dumps({"allowed": allowed[body["tuple_key"]["relation"]]}))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def openfga() -> Any:
    return pytest.importorskip("windvane.cluster.policies.openfga_policy", reason="install the extra `openfga`")


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(running: Server) -> Server:
    running.asked.clear()
    running.answer = lambda _: (200, '{"allowed": true}')
    return running


@pytest.fixture(scope="module")
def policy(openfga: Any, running: Server) -> Iterator[Any]:
    """One for all: whoever asks first makes a client, and that reads every certificate of the machine."""
    policy = openfga.OpenFgaPolicy(running.url, STORE, MODEL, token="secret", timeout_seconds=5.0)
    yield policy
    policy.close()


def test_a_request_is_one_check_with_roles_scope_and_context(server: Server, policy: Any) -> None:
    verdict = policy.judge(asks("decide", purpose="lending", consent=True))
    assert (verdict.outcome, verdict.policies, verdict.version) == ("allow", ("can_decide",), f"openfga:{MODEL}")
    [(path, headers, body)] = server.asked
    assert path == f"/stores/{STORE}/check"
    assert headers["authorization"] == "Bearer secret"
    assert body == {
        "tuple_key": {"user": "caller:shop", "relation": "can_decide", "object": "model:credit"},
        "contextual_tuples": {
            "tuple_keys": [
                {"user": "caller:shop", "relation": "assignee", "object": "role:client"},
                {"user": "caller:shop", "relation": "in_scope", "object": "model:credit"},
            ]
        },
        "context": {
            "caller": "shop",
            "model": "credit",
            "purposes": ["lending", "marketing"],
            "consent_for": ["marketing"],
            "actions": ["approve", "decline", "offer"],
            "adverse": ["decline"],
            "manual": ["offer"],
            "refer_from_ppm": 900_000,
            "purpose": "lending",
            "consent": True,
        },
        "authorization_model_id": MODEL,
        "consistency": "HIGHER_CONSISTENCY",
    }


def test_what_is_absent_is_said_for_a_condition_fails_without_it(server: Server, policy: Any) -> None:
    policy.judge(asks("decide", CLIENT, Mandate("credit"), purpose="lending"))
    context = server.asked[0][2]["context"]
    assert (context["consent"], context["refer_from_ppm"]) == (False, 1_000_001)


def test_a_context_cannot_speak_for_the_declaration_or_the_caller(server: Server, policy: Any) -> None:
    policy.judge(asks("decide", purpose="spam", caller="root", purposes="spam", model="other"))
    context = server.asked[0][2]["context"]
    assert (context["caller"], context["model"], context["purposes"]) == ("shop", "credit", ["lending", "marketing"])


def test_a_key_for_other_models_is_in_no_scope(server: Server, policy: Any) -> None:
    policy.judge(asks("decide", CLIENT, Mandate("mortgage"), purpose="lending"))
    policy.judge(asks("erase", CLIENT, None))
    policy.judge(asks("erase", Standing("root", frozenset({"admin"})), None))
    scopes = [
        [it["object"] for it in body["contextual_tuples"]["tuple_keys"] if it["relation"] == "in_scope"]
        for _, _, body in server.asked
    ]
    assert scopes == [[], [], ["system:windvane"]]


@pytest.mark.parametrize(
    ("name", "user"),
    [("*", "caller:%2A"), ("role:admin#assignee", "caller:role%3Aadmin%23assignee"), ("a b", "caller:a%20b")],
)
def test_a_name_cannot_be_everybody_or_a_relation(server: Server, policy: Any, name: str, user: str) -> None:
    policy.judge(asks("decide", Standing(name, frozenset()), purpose="lending"))
    assert server.asked[0][2]["tuple_key"]["user"] == user


def test_a_nameless_caller_is_denied_without_asking(server: Server, policy: Any) -> None:
    assert policy.judge(asks("decide", Standing("", frozenset()), purpose="lending")).errors
    assert server.asked == []


def test_a_denial_says_so_for_people(server: Server, policy: Any) -> None:
    server.relation({"can_promote": False})
    verdict = policy.judge(asks("promote"))
    assert (verdict.outcome, verdict.errors) == ("deny", ())
    assert verdict.reason == "No policy allows shop to promote on credit."


def test_an_action_that_is_denied_may_be_referred(server: Server, policy: Any) -> None:
    taken = asks("act", purpose="lending", action="decline", risk_ppm=950_000)
    outcomes = []
    for act, refer in ((True, True), (False, True), (False, False)):
        server.relation({"can_act": act, "can_refer": refer})
        outcomes.append(policy.judge(taken).outcome)
    assert outcomes == ["allow", "refer", "deny"]


@pytest.mark.parametrize(("action", "requires"), [("decline", ("explanation",)), ("approve", ())])
def test_an_adverse_action_requires_its_explanation(
    server: Server, policy: Any, action: str, requires: tuple[str, ...]
) -> None:
    assert policy.judge(asks("act", purpose="lending", action=action, risk_ppm=1)).requires == requires


@pytest.mark.parametrize(
    "reply",
    [
        (200, '{"allowed": "false"}'),
        (200, '{"allowed": "true"}'),
        (200, '{"allowed": 1}'),
        (200, "{}"),
        (200, "[]"),
        (200, "not json"),
        (200, ""),
        (204, ""),
        (400, '{"code": "validation_error", "message": "failed to evaluate condition: missing parameter consent"}'),
        (401, '{"code": "auth_failed", "message": "no"}'),
        (404, '{"code": "store_id_not_found", "message": "no"}'),
        (429, '{"code": "rate_limit_exceeded", "message": "no"}'),
        (500, '{"code": "internal_error", "message": "no"}'),
        (502, "<html>"),
    ],
)
def test_every_answer_but_a_plain_true_denies(server: Server, policy: Any, reply: Reply) -> None:
    server.answer = lambda _: reply
    verdict = policy.judge(asks("decide", purpose="lending"))
    assert (verdict.outcome, verdict.reason, verdict.policies) == ("deny", UNEVALUATED, ())
    assert verdict.errors
    assert len(server.asked) == 1, "nothing is asked again: the caller waits"


def test_a_server_that_does_not_answer_in_time_denies(openfga: Any, server: Server) -> None:
    release = Event()

    def late(_: dict[str, Any]) -> Reply:
        release.wait(5)
        return 200, '{"allowed": true}'

    server.answer = late
    hurried = openfga.OpenFgaPolicy(server.url, STORE, MODEL, timeout_seconds=0.2)
    try:
        verdict = hurried.judge(asks("decide", purpose="lending"))
    finally:
        release.set()
        hurried.close()
    assert (verdict.outcome, verdict.reason) == ("deny", UNEVALUATED)


def test_no_server_denies(openfga: Any) -> None:
    nobody = openfga.OpenFgaPolicy("http://127.0.0.1:1", STORE, MODEL)
    assert nobody.judge(asks("decide", purpose="lending")).outcome == "deny"
    nobody.close()


@pytest.mark.parametrize(
    ("settings", "told"), [({"timeout_seconds": 0.1}, "from 0.2 to 60"), ({"model_id": ""}, "Name the")]
)
def test_settings_that_would_not_do_what_they_say_are_refused(
    openfga: Any, settings: dict[str, Any], told: str
) -> None:
    given = {"api_url": "http://127.0.0.1:1", "store_id": STORE, "model_id": MODEL, **settings}
    with pytest.raises(Invalid, match=told):
        openfga.OpenFgaPolicy(**given)


def test_callers_in_many_threads_get_each_its_own_answer(
    server: Server, openfga: Any, policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK's raw calls leave their answer on the client, where the next thread's overwrites it."""
    both, made, client = Barrier(2), list[Any](), openfga.OpenFgaClient

    def counted(configuration: Any) -> Any:
        made.append(client(configuration))
        return made[-1]

    policy.judge(asks("decide", purpose="lending"))
    monkeypatch.setattr(openfga, "OpenFgaClient", counted)

    def together(body: dict[str, Any]) -> Reply:
        both.wait(5)
        return 200, json.dumps({"allowed": body["tuple_key"]["user"] == "caller:in"})

    server.answer = together

    def ask(name: str) -> list[bool]:
        caller = Standing(name, frozenset())
        return [policy.judge(asks("decide", caller, purpose="lending")).allowed for _ in range(10)]

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(ask, ("in", "out"))) == [[True] * 10, [False] * 10]
    assert len(made) == 2, "one for each thread: the race itself shows too seldom to be waited for"
