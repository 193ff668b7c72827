"""Whoever may not is refused, at every endpoint of a real Windvane: never answered, no fault, always on record."""

import http.client
import json
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
import psutil
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as stubs

from tests.e2e.conftest import DASHBOARD_PORT, GRPC_PORT, PORT, Place, files_with, wait_for
from tests.e2e.untrained import Untrained, all_untrained
from tests.worlds.bundles import SPEC
from tests.worlds.callers import issuer
from tests.worlds.gateway.world import asked
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Act, Decision, Outcome, Record, Value
from windvane.cluster.runtime import haproxy, head_record, processes

MINE, OTHERS = "access-mine", "access-others"
DECIDE = f"/v2/models/{MINE}/decide"
INFER = f"/v2/models/{MINE}/infer"
FORGED = issuer.private_key("ES256", 1)
ROW = {"inputs": [{"name": "input", "shape": [1, 5], "datatype": "FP32", "data": [1, 2, 3, 0, 1]}]}


@pytest.fixture(scope="module")
def endpoints(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two models, of two tenants; the second has two replicas."""
    folders = [tmp_path_factory.mktemp(name) for name in (MINE, OTHERS)]
    mine, others = (SPEC.model_copy(update={"name": name}) for name in (MINE, OTHERS))
    with all_untrained(place, Untrained(mine, folders[0], 1), Untrained(others, folders[1], 2, replicas=2)):
        wait_for("both replicas", lambda: len(place.processes(f"ServeReplica:{OTHERS}:")) == 2)
        yield place


@pytest.fixture(scope="module")
def stranger(place: Place) -> Iterator[httpx.Client]:
    """Sends what it is told to and nothing of its own."""
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30.0, trust_env=False) as http:
        yield http


def make(place: Place, **order: Any) -> tuple[str, dict[str, str]]:
    """A key's id, and the header that shows the key."""
    made = place.http.post("/api/keys", json={"name": "tester", "roles": ["client"]} | order)
    assert made.status_code == 201, made.text
    assert made.json()["replicas_told"]
    return made.json()["status"]["key_id"], bearer(made.json()["key"])


def bearer(text: str | bytes) -> dict[str, str]:
    return {"authorization": f"Bearer {text if isinstance(text, str) else text.decode()}"}


def said(**more: Any) -> dict[str, Any]:
    """The claims of a token that is good for longer than all tests take."""
    now = int(time.time())
    return issuer.claims(**{"iat": now, "exp": now + 7200, **more})


def signed(key: Any = None, **more: Any) -> bytes:
    return issuer.token(said(**more), key)


def records(place: Place, model: str = MINE) -> list[Record]:
    return Tail(place.home / "log" / model).read(limit=1_000_000)


def decided(place: Place) -> int:
    """Number of decisions and outcomes of MINE on the log; refusals are on it, too."""
    return sum(isinstance(each, Decision | Outcome) for each in records(place))


def refusals(place: Place, log: str) -> set[tuple[str, Value, str]]:
    """Of whom, at which endpoint and why the log has refusals."""
    acts = (each for each in records(place, log) if isinstance(each, Act) and each.kind == "refused")
    return {(act.who, act.facts["order"], act.detail) for act in acts}


def said_of_refusals(place: Place) -> str:
    """Logs that replicas and control have written."""
    logs = (place.home / "run" / "ray" / "session_latest" / "logs").rglob("*")
    texts = [file.read_text(errors="replace") for file in logs if file.is_file() and "serve" in str(file)]
    return "\n".join(texts)


def code_of(metadata: list[tuple[str, str]], model: str = MINE, version: str = "") -> grpc.StatusCode:
    """Status code of one inference over gRPC."""
    request = messages.ModelInferRequest(model_name=model, model_version=version)
    tensor = request.inputs.add(name="input", datatype="FP32", shape=[1, 5])
    tensor.contents.fp32_contents.extend([1, 2, 3, 0, 1])
    with grpc.insecure_channel(f"127.0.0.1:{GRPC_PORT}") as channel:
        try:
            stubs.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=20.0, metadata=metadata)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def asked_over_grpc(address: str, method: str, metadata: list[tuple[str, str]]) -> grpc.StatusCode:
    """Status code of a call of any method, with an empty message."""
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(method)(b"", timeout=10.0, metadata=metadata)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def test_nobody_is_told_which_models_there_are(endpoints: Place, stranger: httpx.Client) -> None:
    """Ray Serve has a list of its applications that anybody may read."""
    for path in "/-/routes", "/-/ROUTES", "/-/healthz", "/v2", "/v2/health/ready", "/api/health", "/console":
        reply = stranger.get(path)
        assert reply.status_code in ((404,) if "outes" in path.lower() else (200, 503))
        assert MINE not in reply.text
    for verb in "ListApplications", "Healthz":
        for application in [], [("application", MINE)]:
            code = asked_over_grpc(f"127.0.0.1:{GRPC_PORT}", f"/ray.serve.RayServeAPIService/{verb}", application)
            assert code is grpc.StatusCode.UNIMPLEMENTED


def test_without_a_key_no_endpoint_opens(endpoints: Place, stranger: httpx.Client) -> None:
    before = decided(endpoints)
    for method, path, body in (
        ("POST", DECIDE, asked()),
        ("POST", DECIDE, {"instances": [asked()] * 16}),
        ("POST", INFER, ROW),
        ("POST", f"/v2/models/{MINE}/outcomes", {"decision_id": "x", "label": True}),
        ("GET", f"/v2/models/{MINE}", None),
        ("GET", f"/v2/models/{MINE}/ready", None),
        ("GET", f"/v2/models/{MINE}/nothing", None),
        ("GET", "/v2/models/nobodys/ready", None),
        ("POST", "/v2/models/nobodys/decide", asked()),
        ("GET", "/api/status", None),
        ("GET", "/api/keys", None),
        ("POST", "/api/keys", {"name": "me", "roles": ["admin"]}),
        ("POST", f"/api/models/{MINE}/undeploy", {"reason": "because"}),
        ("GET", "/metrics", None),
        ("GET", "/openapi.json", None),
        ("GET", "/docs", None),
        ("GET", "/api/policies", None),
        ("POST", "/api/policies", {"files": {"a.cedar": ""}, "reason": "mine"}),
        ("PUT", "/api/subjects/N725MQ/consent", {"purposes": {"research": True}}),
        ("GET", "/api/subjects/N725MQ/consent", None),
        ("GET", f"/api/decisions?model={MINE}", None),
        ("GET", "/api/decisions/x/lineage", None),
        ("POST", "/api/privacy/export", {"subject": "N725MQ", "reason": "curious"}),
        ("POST", "/api/privacy/erase", {"subject": "N725MQ", "reason": "to hide it"}),
    ):
        reply = stranger.request(method, path, json=body)
        assert reply.status_code == 401, f"{method} {path}: {reply.status_code} {reply.text}"
        assert reply.headers["www-authenticate"] == 'Bearer realm="windvane"'
    assert code_of([]) is grpc.StatusCode.UNAUTHENTICATED
    assert code_of([], "nobodys") is grpc.StatusCode.UNAUTHENTICATED
    assert decided(endpoints) == before


def test_a_key_decides_at_every_endpoint_and_its_name_is_in_no_reply(endpoints: Place, stranger: httpx.Client) -> None:
    _, key = make(endpoints, models=[MINE])
    assert stranger.post(DECIDE, json=asked(), headers=key).status_code == 200
    bare = {"x-api-key": key["authorization"].removeprefix("Bearer ")}
    assert stranger.post(INFER, json=ROW, headers=bare).status_code == 200
    assert code_of([("authorization", key["authorization"])]) is grpc.StatusCode.OK
    assert code_of(list(bare.items())) is grpc.StatusCode.OK


def test_a_revoked_key_is_refused_within_a_second_on_every_replica_and_endpoint(
    endpoints: Place, stranger: httpx.Client
) -> None:
    key_id, key = make(endpoints)
    decide = f"/v2/models/{OTHERS}/decide"
    assert {stranger.post(decide, json=asked(), headers=key).status_code for _ in range(10)} == {200}
    assert endpoints.http.post(f"/api/keys/{key_id}/revoke", json={"reason": "lost"}).json()["replicas_told"]
    since, row = time.monotonic(), 0
    while row < 20:  # one after another: HAProxy takes the replicas in turn
        refused = stranger.post(decide, json=asked(), headers=key).status_code == 401
        row = row + 1 if refused else 0
        assert refused or time.monotonic() - since < 1.0
    reply = stranger.post(INFER, json=ROW, headers=key)
    assert (reply.status_code, reply.headers["www-authenticate"][-14:]) == (401, '"invalid_token"'[-14:])
    assert code_of([("authorization", key["authorization"])]) is grpc.StatusCode.UNAUTHENTICATED
    assert stranger.get("/openapi.json", headers=key).status_code == 401


def test_an_expired_key_is_refused_without_anybody_telling(endpoints: Place, stranger: httpx.Client) -> None:
    end = datetime.now(UTC) + timedelta(seconds=2)
    _, key = make(endpoints, expires_at=end.isoformat())
    assert stranger.post(DECIDE, json=asked(), headers=key).status_code == 200
    wait_for("its end", lambda: stranger.post(DECIDE, json=asked(), headers=key).status_code == 401, 10.0)
    assert datetime.now(UTC) >= end
    assert "expired" in stranger.post(DECIDE, json=asked(), headers=key).json()["detail"]


def test_a_key_of_another_tenant_learns_nothing(endpoints: Place, stranger: httpx.Client) -> None:
    """One that is there, and one that is not: the same words."""
    _, key = make(endpoints, models=[OTHERS], roles=["client", "owner", "operator", "compliance"])
    for verb, body in ("decide", asked()), ("infer", ROW), ("outcomes", {"decision_id": "x", "label": True}):
        replies = [
            stranger.post(f"/v2/models/{model}/{verb}", json=body, headers=key) for model in (MINE, "access-none")
        ]
        assert [reply.status_code for reply in replies] == [403, 403]
        assert replies[0].text.replace(MINE, "M") == replies[1].text.replace("access-none", "M")
    for path in "ready", "", "nothing", "versions/1/infer":
        for model in MINE, "access-none":
            assert stranger.get(f"/v2/models/{model}/{path}", headers=key).status_code == 403, path
    for model in MINE, "access-none":
        assert stranger.get(f"/api/models/{model}", headers=key).status_code == 403
        assert code_of([("authorization", key["authorization"])], model) is grpc.StatusCode.PERMISSION_DENIED
    told = stranger.get("/api/status", headers=key).text + stranger.get("/metrics", headers=key).text
    assert MINE not in told + stranger.get("/openapi.json", headers=key).text
    assert OTHERS in told


def test_another_tenants_decision_is_not_reached_by_its_id(endpoints: Place, stranger: httpx.Client) -> None:
    theirs = endpoints.http.post(DECIDE, json=asked()).json()["decision_id"]
    _, key = make(endpoints, models=[OTHERS])
    outcome = {"decision_id": theirs, "label": True}
    assert stranger.post(f"/v2/models/{MINE}/outcomes", json=outcome, headers=key).status_code == 403
    assert not [each for each in records(endpoints) if isinstance(each, Outcome) and each.decision_id == theirs]


def test_another_tenants_decision_is_read_by_nobody_who_has_its_id(endpoints: Place, stranger: httpx.Client) -> None:
    """Not even with every role there is for a model of one's own."""
    theirs = endpoints.http.post(DECIDE, json=asked()).json()["decision_id"]
    assert endpoints.http.post(f"/v2/models/{OTHERS}/decide", json=asked()).status_code == 200
    _, key = make(endpoints, models=[OTHERS], roles=["client", "owner", "operator", "compliance", "admin"])
    about = {"subject": "N725MQ", "reason": "curious"}
    for reply in (
        stranger.get(f"/api/models/{MINE}/decisions/{theirs}/explanation", headers=key),
        stranger.get(f"/api/decisions?model={MINE}&decision_id={theirs}", headers=key),
        stranger.get(f"/api/decisions/{theirs}/lineage", headers=key),
        stranger.post("/api/privacy/export", json=about, headers=key),
        stranger.post("/api/privacy/erase", json=about, headers=key),
        stranger.put("/api/subjects/N725MQ/consent", json={"purposes": {"research": True}}, headers=key),
    ):
        assert reply.status_code == 403, f"{reply.request.url}: {reply.status_code} {reply.text}"
    said = stranger.get("/api/subjects/N725MQ/consent", headers=key)
    assert (said.status_code, said.json()["purposes"]) == (200, {})  # its own models declare none
    mine = stranger.get(f"/api/models/{OTHERS}/decisions/{theirs}/explanation", headers=key)
    assert mine.status_code == 404
    page = stranger.get(f"/api/decisions?model={OTHERS}&decision_id={theirs}", headers=key)
    assert (page.status_code, page.json()["decisions"]) == (200, [])
    told = stranger.post(f"/v2/models/{OTHERS}/outcomes", json={"decision_id": theirs, "label": True}, headers=key)
    assert told.status_code == 200  # of a decision that this model may yet have made
    assert not [each for each in records(endpoints) if isinstance(each, Outcome) and each.decision_id == theirs]


def test_an_id_that_somebody_else_used_gives_no_answer_of_theirs(endpoints: Place, stranger: httpx.Client) -> None:
    """Ids are the callers' own: two may count from 1."""
    first, second = (make(endpoints, name=name)[1] for name in ("ann", "bob"))
    mine = stranger.post(DECIDE, json=asked(id="request-1"), headers=first).json()
    theirs = stranger.post(DECIDE, json=asked("N000AA", id="request-1"), headers=second)
    assert theirs.status_code == 200
    assert theirs.json()["decision_id"] != mine["decision_id"]
    assert stranger.post(DECIDE, json=asked(id="request-1"), headers=first).json() == mine


@pytest.mark.parametrize("role", ["client", "operator", "compliance"])
def test_a_role_opens_nothing_but_what_names_it(endpoints: Place, stranger: httpx.Client, role: str) -> None:
    _, key = make(endpoints, roles=[role])
    for smuggled in ({}, {"x-windvane-role": "admin"}, {"x-roles": "admin"}, {"x-forwarded-user": "admin"}):
        sent = key | smuggled
        assert stranger.get("/api/keys", headers=sent).status_code == 403
        undeployed = stranger.post(f"/api/models/{MINE}/undeploy", json={"reason": "because"}, headers=sent)
        assert undeployed.status_code == 403
        version = stranger.post(DECIDE, json=asked(), headers=sent | {"x-windvane-version": "1"})
        assert version.status_code == 403
    assert stranger.post(DECIDE, json=asked(), headers=key).status_code == (200 if role == "client" else 403)
    assert stranger.get("/api/status", headers=key).status_code == (403 if role == "client" else 200)


def test_an_admin_of_one_model_makes_no_key_for_the_others(endpoints: Place, stranger: httpx.Client) -> None:
    _, key = make(endpoints, roles=["admin"], models=[MINE])
    for reply in (
        stranger.post("/api/keys", json={"name": "me", "roles": ["admin"]}, headers=key),
        stranger.get("/api/keys", headers=key),
    ):
        assert reply.status_code == 403


def test_two_credentials_are_none(endpoints: Place, stranger: httpx.Client) -> None:
    _, key = make(endpoints)
    bare = key["authorization"].removeprefix("Bearer ")
    assert stranger.post(DECIDE, json=asked(), headers=key | {"x-api-key": bare}).status_code == 401
    for twice in [("authorization", f"Bearer {bare}")] * 2, [("x-api-key", bare)] * 2:
        assert stranger.post(DECIDE, json=asked(), headers=httpx.Headers(twice)).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        f"//v2/models/{MINE}/decide",
        f"/v2//models/{MINE}/decide",
        f"/v2/models/{MINE}//decide",
        f"/v2/models/{OTHERS}/../{MINE}/decide",
        f"/v2/models/{OTHERS}/%2e%2e/{MINE}/decide",
        f"/v2/models/{OTHERS}%2f..%2f{MINE}/decide",
        f"/v2/models/{MINE}/decide/",
        f"/v2/models/{MINE}/decide%00",
        f"/v2/models/{MINE}/decide;a=b",
        f"/V2/MODELS/{MINE}/DECIDE",
        "/v2/models/%61ccess-mine/decide",
        f"/console/../v2/models/{MINE}/decide",
        "/api/health/../keys",
        "/api/keys/",
        "/api//keys",
        "/console/..%2fcontrol.py",
        "/-/healthz/../api/keys",
    ],
)
def test_no_way_of_writing_a_path_goes_round_the_keys(endpoints: Place, path: str) -> None:
    """Sent as it is written: httpx would tidy it up."""
    _, key = make(endpoints, models=[OTHERS])
    before = decided(endpoints)
    for sent in {}, key:
        for method in "POST", "GET":
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30.0)
            body = json.dumps(asked()) if method == "POST" else None
            connection.request(method, path, body, {"content-type": "application/json"} | sent)
            reply = connection.getresponse()
            text = reply.read().decode()
            connection.close()
            assert reply.status in (307, 400, 401, 403, 404, 405, 415), f"{method} {path}: {reply.status} {text}"
            assert MINE not in text or reply.status in (401, 403, 404)
    assert decided(endpoints) == before


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_no_method_goes_round_the_keys(endpoints: Place, method: str) -> None:
    before = decided(endpoints)
    for path in DECIDE, INFER, "/api/keys", "/api/status", f"/api/models/{MINE}", "/metrics":
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30.0)
        connection.request(method, path, json.dumps(asked()), {"content-type": "application/json"})
        reply = connection.getresponse()
        assert reply.status in (400, 401, 405, 501), f"{method} {path}: {reply.status} {reply.read()!r}"
        connection.close()
    assert decided(endpoints) == before


RAW = json.dumps(asked()).encode()
HIDDEN = f"POST {DECIDE} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(RAW)}\r\n\r\n".encode() + RAW


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (f"POST http://127.0.0.1:{PORT}{DECIDE} HTTP/1.1", ()),
        (f"POST {DECIDE} HTTP/1.0", ()),
        (f"POST {DECIDE}?key=KEY HTTP/1.1", ()),
        (f"POST {DECIDE} HTTP/1.1", ("X_Api_Key: KEY",)),
        (f"POST {DECIDE} HTTP/1.1", ("Authorization : Bearer KEY",)),
        (f"POST {DECIDE} HTTP/1.1", ("Accept: x", " Authorization: Bearer KEY")),
        (f"POST {DECIDE} HTTP/1.1", ("Authorization: Bearer KEY, Bearer KEY",)),
        (f"POST {DECIDE} HTTP/1.1", ("Authorization: Bearer\x00KEY",)),
        (f"POST {DECIDE} HTTP/1.1", ("Cookie: authorization=KEY", "Proxy-Authorization: Bearer KEY")),
        (f"POST {DECIDE} HTTP/1.1", ("X-Original-URL: /api/health", "X-Rewrite-URL: /api/health")),
        (f"POST {DECIDE} HTTP/1.1", ("X-HTTP-Method-Override: GET", "X-Forwarded-For: 127.0.0.1")),
        (f"POST {DECIDE} HTTP/1.1", ("Transfer-Encoding: chunked",)),
        (f"POST {DECIDE} HTTP/1.1", ("Transfer-Encoding: xchunked",)),
        (f"POST {DECIDE} HTTP/1.1", ("Content-Length: 0",)),
    ],
)
def test_no_way_of_writing_a_request_goes_round_the_keys(endpoints: Place, line: str, lines: tuple[str, ...]) -> None:
    """Behind each stands a second request, for whoever takes the first to be shorter than it is."""
    before = decided(endpoints)
    _, key = make(endpoints, models=[OTHERS])
    bare = key["authorization"].removeprefix("Bearer ")
    head = [line, "Host: x", "Content-Type: application/json", "Connection: close", *lines]
    head.append(f"Content-Length: {len(RAW) + len(HIDDEN)}")
    with socket.create_connection(("127.0.0.1", PORT), timeout=10.0) as wire:
        wire.sendall("\r\n".join([*head, "", ""]).replace("KEY", bare).encode() + RAW + HIDDEN)
        replies = b"".join(iter(lambda: wire.recv(65536), b""))
    statuses = re.findall(rb"HTTP/1\.[01] (\d{3}) ", replies)
    assert statuses, replies
    assert set(statuses) <= {b"400", b"401", b"403", b"501"}, replies
    assert decided(endpoints) == before


def test_no_metadata_leads_to_another_tenants_model_over_grpc(endpoints: Place) -> None:
    _, key = make(endpoints, models=[OTHERS])
    shown = list(key.items())
    denied, unknown = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED
    assert code_of([*shown, ("application", MINE)], OTHERS) is denied
    assert code_of([*shown, ("application", MINE)], MINE) is denied
    assert code_of([*shown, ("application", "control")], MINE) is denied
    assert code_of([*shown, ("application", OTHERS)], MINE) is grpc.StatusCode.NOT_FOUND
    assert code_of([*shown, ("x-windvane-role", "admin"), ("x-windvane-model", MINE)]) is denied
    assert code_of([("application", "nobody")]) is unknown  # who shows no key learns of no application
    assert code_of([*shown, ("x-windvane-application", OTHERS)], MINE) is denied
    assert code_of([*shown, *shown], OTHERS) is unknown
    assert code_of([("x-authorization", key["authorization"])], OTHERS) is unknown
    for name in f"../{MINE}", f"{OTHERS}/../{MINE}", f"{MINE}\x00", MINE.upper(), f"{MINE}%00", "a" * 200:
        assert code_of(shown, name) is denied, name
    assert code_of(shown, OTHERS, version="1") is grpc.StatusCode.OK


def test_the_command_line_is_told_why_it_may_not(endpoints: Place, tmp_path: Path) -> None:
    """Whoever cannot read the first key's file has to show a key of their own."""
    revoked_id, revoked = make(endpoints, roles=["admin"])
    endpoints.http.post(f"/api/keys/{revoked_id}/revoke", json={"reason": "left"})
    _, client = make(endpoints, name="cli-client")
    kept = {"none": None, "bad": "wv_nonsense", "revoked": revoked, "client": client}
    for name, shown in kept.items():
        file = tmp_path / f"{name}.key"
        if shown is not None:
            file.write_text(shown if isinstance(shown, str) else shown["authorization"].removeprefix("Bearer "))
        caller = replace(endpoints, environment=endpoints.environment | {"WINDVANE_KEY_FILE": str(file)})
        for command in ("keys", "list"), ("undeploy", MINE, "--reason", "because"):
            told = caller.windvane(*command, check=False)
            needed = "This needs the role" if name == "client" else "WINDVANE_KEY_FILE"
            assert told.startswith("Error: "), told
            assert needed in told, told
            assert "Traceback" not in told
    assert endpoints.status(MINE)["champion"] == 1
    assert ("cli-client", "GET /api/keys") in {(who, order) for who, order, _ in refusals(endpoints, "control")}


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (signed(iss="https://eve.example.org/"), "of another issuer (iss)"),
        (signed(aud="somebody-else"), "for somebody else (aud)"),
        (signed(aud=None), "lacks a claim"),
        (signed(exp=1), "is over (exp)"),
        (signed(exp=None), "lacks a claim"),
        (signed(nbf=4_000_000_000), "not good yet (nbf)"),
        (signed(FORGED), "signature is not its issuer's"),
        (signed()[:-4] + b"AAAA", "signature is not its issuer's"),
        (issuer.token(said(roles=["boss"]), FORGED, jku="http://127.0.0.1:9/jwks.json"), "signature is not"),
        (issuer.token(said(), kid="../../../../dev/null"), "has not published (kid)"),
        (jwt.encode(said(), "", "none", {"kid": "one"}).encode(), "not signed with ES256 (alg)"),
        (jwt.encode(said(), issuer.jwk()["x"], "HS256", {"kid": "one"}).encode(), "not signed with ES256 (alg)"),
        (issuer.token(said(), issuer.private_key("RS256"), "RS256"), "not signed with ES256 (alg)"),
        (b"wv_" + b"A" * 43, "not known here"),
        (b"wv_", "not known here"),
        (b"a.b.c", "neither a key nor a token"),
        (b"..", "neither a key nor a token"),
        (b"A" * 20_000, ""),
    ],
)
def test_a_credential_that_is_not_good_is_refused_at_every_endpoint(
    endpoints: Place, stranger: httpx.Client, sent: bytes, why: str
) -> None:
    for reply in (
        stranger.post(DECIDE, json=asked(), headers=bearer(sent)),
        stranger.post(INFER, json=ROW, headers=bearer(sent)),
        stranger.get("/api/status", headers=bearer(sent)),
        stranger.get("/v2/models/nobodys", headers=bearer(sent)),
    ):
        assert reply.status_code in (400, 401, 431) if len(sent) > 8192 else reply.status_code == 401, reply.text
        assert why in reply.text
    if len(sent) < 8192:
        assert code_of([("authorization", bearer(sent)["authorization"])]) is grpc.StatusCode.UNAUTHENTICATED


def test_a_token_of_the_trusted_issuer_is_taken_for_what_its_roles_mean_here(
    endpoints: Place, stranger: httpx.Client
) -> None:
    client, boss = bearer(signed()), bearer(signed(roles=["boss"]))
    assert stranger.post(DECIDE, json=asked(), headers=client).status_code == 200
    assert stranger.get("/api/keys", headers=client).status_code == 403
    assert stranger.get("/api/keys", headers=boss).status_code == 200
    made = stranger.post("/api/keys", json={"name": "by-token", "roles": ["client"]}, headers=boss)
    assert made.json()["status"]["made_by"] == "ann"
    assert code_of(list(client.items())) is grpc.StatusCode.OK


def test_who_asks_too_fast_waits_as_told_and_others_do_not(endpoints: Place, stranger: httpx.Client) -> None:
    _, slow = make(endpoints, limit={"per_second": 0.5, "burst": 2})
    replies = [stranger.post(DECIDE, json=asked(), headers=slow) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[-1].json()["type"] == "urn:windvane:problem:too-fast"
    assert 1 <= int(replies[-1].headers["retry-after"]) <= 2
    assert code_of(list(slow.items())) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert endpoints.http.post(DECIDE, json=asked()).status_code == 200
    wait_for("its turn", lambda: stranger.post(DECIDE, json=asked(), headers=slow).status_code == 200, 10.0)


def test_rays_own_endpoints_ask_for_a_token(endpoints: Place) -> None:
    """An open job API runs anybody's code."""
    token = (endpoints.home / "ray_token").read_text().strip()
    assert (endpoints.home / "ray_token").stat().st_mode & 0o777 == 0o600
    job = {"entrypoint": "touch /tmp/never"}
    with httpx.Client(base_url=f"http://127.0.0.1:{DASHBOARD_PORT}", timeout=30.0, trust_env=False) as ray:
        for method, path, body in (
            ("POST", "/api/jobs/", job),
            ("GET", "/api/jobs/", None),
            ("GET", "/api/serve/applications/", None),
            ("PUT", "/api/serve/applications/", {"applications": []}),
            ("GET", "/nodes?view=summary", None),
        ):
            assert ray.request(method, path, json=body).status_code == 401, path
            key = endpoints.http.headers["authorization"]
            assert ray.request(method, path, json=body, headers={"authorization": key}).status_code == 403, path
        assert ray.get("/api/jobs/", headers=bearer(token)).status_code == 200


def test_no_port_at_all_takes_orders_from_a_stranger(endpoints: Place, tmp_path: Path) -> None:
    """Ray opens some thirty, most of them on every interface; whoever may submit a job or a task may run anything."""
    head = head_record.load(endpoints.home)
    assert head is not None
    family = processes.with_descendants(processes.find(head.marks)) + haproxy.ours(Path(head.run))
    open_to = {
        (found.laddr.ip, found.laddr.port)
        for process in family
        for found in process.net_connections("tcp")
        if found.status == psutil.CONN_LISTEN
    }
    wide = {port for ip, port in open_to if not ip.startswith("127.")}
    assert not wide & {PORT, PORT + 404, PORT + 500, PORT + 1101, GRPC_PORT, GRPC_PORT + 202, DASHBOARD_PORT}
    assert {PORT, GRPC_PORT, DASHBOARD_PORT} <= {port for _, port in open_to}
    order = {"entrypoint": f"touch {tmp_path}/done"}
    codes = Counter[grpc.StatusCode]()
    for ip, port in open_to:
        address = f"127.0.0.1:{port}" if ip in ("::", "0.0.0.0") else f"{ip}:{port}"
        for method in (
            *("CoreWorkerService/PushTask", "NodeManagerService/RequestWorkerLease"),
            *("InternalKVGcsService/InternalKVKeys", "JobInfoGcsService/AddJob", "LogService/ListLogs"),
        ):
            code = asked_over_grpc(address, f"/ray.rpc.{method}", [])
            assert code is not grpc.StatusCode.OK, f"{address} {method}"
            codes[code] += 1
        for path in "/api/jobs/", "/api/job_agent/jobs/", "/get_or_create_runtime_env", "/api/keys":
            try:
                reply = httpx.post(f"http://{address}{path}", json=order, timeout=10.0, trust_env=False)
            except httpx.TransportError:  # it speaks gRPC
                continue
            assert reply.status_code >= 400, f"{address}{path}: {reply.text}"
    assert codes[grpc.StatusCode.UNAUTHENTICATED] > 10, codes
    assert not (tmp_path / "done").exists()
    assert (endpoints.home / "run").stat().st_mode & 0o777 == 0o700  # HAProxy's socket in it takes orders from anybody


def test_the_first_key_lies_where_its_owner_alone_can_read_it(endpoints: Place) -> None:
    file = endpoints.home / "admin.key"
    assert file.stat().st_mode & 0o777 == 0o600
    secret = file.read_text().strip()
    assert files_with(endpoints.home, secret) == [file]


def test_what_replicas_and_control_write_is_for_nobody_else(endpoints: Place) -> None:
    """Ray starts them, with the umask that `up` has set."""
    assert endpoints.http.post(DECIDE, json=asked()).status_code == 200
    made = [path for name in ("log", "audit", "cache", "vault") for path in (endpoints.home / name).rglob("*")]
    assert any(path.is_file() and "versions" in path.parts for path in made)  # fetched from MLflow
    assert [path for path in [endpoints.home / "windvane.db", *made] if path.stat().st_mode & 0o077] == []


def test_every_kind_of_refusal_is_on_record_without_the_credential(endpoints: Place, stranger: httpx.Client) -> None:
    key_id, key = make(endpoints, name="on-record", models=[OTHERS])
    stranger.post(DECIDE, json=asked(), headers=key)
    quiet = f"/v2/models/{OTHERS}/decide"  # fewer strangers were turned away there in this minute than are told
    stranger.post(quiet, json=asked())
    stranger.get("/api/status", headers=key)

    def told() -> bool:
        text = said_of_refusals(endpoints)
        return all(
            re.search(pattern, text)
            for pattern in (
                rf"403 for 'on-record' \({key_id}\) at 'POST {DECIDE}'",
                rf"401 for nobody known at 'POST {quiet}'",
                rf"403 for 'on-record' \({key_id}\) at 'GET /api/status'",
            )
        )

    def kept() -> bool:
        at_mine, at_others, at_control = (
            {(who, order) for who, order, _ in refusals(endpoints, log)} for log in (MINE, OTHERS, "control")
        )
        return (
            ("on-record", f"POST {DECIDE}") in at_mine
            and ("", f"POST {quiet}") in at_others
            and ("on-record", "GET /api/status") in at_control
        )

    wait_for("the lines", told, 15.0)
    wait_for("the acts", kept, 15.0)
    assert key["authorization"].removeprefix("Bearer ") not in said_of_refusals(endpoints)
    assert "nothing was changed" in endpoints.windvane("audit", "verify")


def test_every_decision_has_been_logged_that_was_answered(endpoints: Place) -> None:
    answered = endpoints.http.post(DECIDE, json=asked()).json()["decision_id"]
    assert answered in {each.decision_id for each in records(endpoints) if isinstance(each, Decision)}
