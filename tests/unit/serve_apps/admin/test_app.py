"""The control API: who asks has to be allowed to, and whatever is sent gets a problem document, never a fault."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.worlds.admin.api import DECLARATION, JSON, MODELS, REASON, problem_of, routes
from tests.worlds.admin.world import AdminWorld, Client
from tests.worlds.callers.keys import BOSS as OWNER
from tests.worlds.rollout.world import MODEL


def test_what_there_is_to_read_is_read(api: Client) -> None:
    assert api.get("/api/status").json()["models"][0]["name"] == MODEL
    assert api.get("/api/health").json() == {"status": "ok"}
    assert api.get(MODELS).json() == DECLARATION
    assert [each["number"] for each in api.get(f"{MODELS}/versions").json()["versions"]] == [1]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/models/trips", None),
        ("GET", "/api/models/trips/versions", None),
        ("GET", "/api/models/trips/events", None),
        ("GET", "/api/models/trips/rollout", None),
        ("POST", "/api/models/trips/retrain", REASON),
        ("POST", "/api/models/trips/undeploy", REASON),
        ("POST", "/api/models/trips/rollout", {"version": 1, **REASON}),
        ("POST", "/api/models/trips/rollout/abort", REASON),
        ("POST", "/api/models/trips/rollout/approve", {"version": 1, **REASON}),
        ("PUT", "/api/models/trips/pins", {"versions": []}),
    ],
)
def test_a_model_that_is_not_deployed_is_not_found(api: Client, method: str, path: str, body: Any) -> None:
    found = problem_of(api.request(method, path, json=body, headers=OWNER), 404)
    assert found["detail"] == f"No model 'trips' is deployed; deployed are: {MODEL}. `windvane deploy NAME` serves one"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("verb", ["decide", "outcomes"])
def test_the_endpoint_of_a_model_that_is_not_deployed_is_a_problem_too(api: Client, method: str, verb: str) -> None:
    found = problem_of(api.request(method, f"/v2/models/trips/{verb}"), 404)
    assert found["detail"] == "No model 'trips' is deployed here; `windvane status` lists those that are"


@pytest.mark.parametrize("path", ["/trips", "/trips/ready", "/trips/infer", "/trips/versions/1/infer"])
def test_the_protocol_of_a_model_that_is_not_deployed_is_answered_in_its_own_way(api: Client, path: str) -> None:
    for reply in (api.get(f"/v2/models{path}"), api.post(f"/v2/models{path}", content=b"{")):
        assert (reply.status_code, reply.headers["content-type"]) == (404, "application/json")
        assert reply.json() == {"error": "No model 'trips' is deployed here; `windvane status` lists those that are"}


@pytest.mark.parametrize("path", ["decide", "infer", "ready"])
def test_a_connection_that_is_older_than_a_models_route_is_told_to_ask_again(api: Client, path: str) -> None:
    """HAProxy answers it by the routes of then: it was 404, for a model that had just been deployed."""
    reply = api.get(f"/v2/models/{MODEL}/{path}", headers=OWNER)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert "Send it again" in reply.text


@pytest.mark.parametrize("path", [f"{MODEL}%2f..%2fother/decide", f"%{ord(MODEL[0]):02x}{MODEL[1:]}/decide"])
def test_a_path_that_only_reads_as_a_models_own_is_nobodys(api: Client, path: str) -> None:
    """HAProxy never routes it to the model: asking again, as the answer 503 tells its caller to, would not help."""
    assert api.get(f"/v2/models/{path}", headers=OWNER).status_code == 404


@pytest.mark.parametrize("path", ["/v2/models/", "/v2/models", "/v2/repository/index"])
def test_nothing_under_the_protocol_says_so_in_its_own_way(api: Client, path: str) -> None:
    reply = api.get(path)
    assert (reply.status_code, list(reply.json())) == (404, ["error"])


@pytest.mark.parametrize("path", ["/nothing", "/api", "/v22", "/console/secret.js", "/console/../token"])
def test_a_path_that_leads_nowhere_is_a_problem(api: Client, path: str) -> None:
    assert "There is nothing at" in problem_of(api.get(path), 404)["detail"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/status"), ("DELETE", MODELS), ("PUT", "/console")])
def test_a_method_that_is_not_answered_says_which_is(api: Client, method: str, path: str) -> None:
    reply = api.request(method, path, headers=OWNER)
    found = problem_of(reply, 405)
    assert reply.headers["allow"] in ("GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS, PUT")
    assert found["detail"] == f"{method} is not answered here; use {reply.headers['allow']}"


@pytest.mark.parametrize(
    ("path", "methods"), [(MODELS, ("GET", "PUT")), (f"{MODELS}/rollout", ("GET", "POST")), ("/api/status", ("GET",))]
)
def test_a_method_that_is_not_answered_is_told_of_all_that_are(
    api: Client, path: str, methods: tuple[str, ...]
) -> None:
    """They stand in routes of their own, of which Starlette names the first; schemathesis found it."""
    allowed = api.request("DELETE", path, headers=OWNER).headers["allow"]
    assert allowed.split(", ") == sorted({*methods, "HEAD", "OPTIONS"})


def test_a_body_that_does_not_fit_has_a_pointer_to_every_place(api: Client) -> None:
    order = {"version": 0, "skip_shadow": "perhaps", "a/b~c": 1}
    found = problem_of(api.post(f"{MODELS}/rollout", json=order, headers=OWNER), 422)
    assert [each["pointer"] for each in found["errors"]] == ["/reason", "/version", "/skip_shadow", "/a~1b~0c"]
    found = problem_of(api.put(f"{MODELS}/pins", json={"versions": [1, -1, 10**40]}, headers=OWNER), 422)
    assert [each["pointer"] for each in found["errors"]] == ["/versions/1", "/versions/2"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "empty"),
        (b"{", "is not JSON"),
        (b"\xff", "is not UTF-8"),
        (b'{"reason": NaN}', "NaN"),
        (b'{"reason": "a", "reason": "b"}', "twice"),
        (b"[" * 100_000, "nests too deep"),
    ],
)
def test_a_body_that_cannot_be_read_is_malformed(api: Client, body: bytes, sentence: str) -> None:
    reply = api.post(f"{MODELS}/retrain", content=body, headers=JSON | OWNER)
    assert sentence in problem_of(reply, 400)["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_announced_as_json_is_told_so(api: Client, kind: str) -> None:
    reply = api.post(f"{MODELS}/retrain", content=b'{"reason": "a"}', headers={"content-type": kind} | OWNER)
    assert "send application/json" in problem_of(reply, 415)["detail"]


TEXTS = st.text(st.characters(codec=None, categories=None), max_size=6)  # halves of surrogate pairs too
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
WORDS = st.sampled_from(["reason", "version", "versions", "skip_shadow", "features", "data", "name", "rollout"])
BODIES = TREES | st.dictionaries(WORDS | TEXTS, TREES, max_size=4)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_no_body_is_a_fault_of_the_server(api: Client, body: Any) -> None:
    for method, path in routes(api.app, mutating=True):
        reply = api.request(method, path, content=json.dumps(body).encode(), headers=JSON | OWNER)
        assert reply.status_code in (200, 201, 202, 404, 409, 422)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.sampled_from(sorted(DECLARATION)), value=TREES)
def test_a_declaration_with_anything_in_it_is_taken_or_refused(api: Client, body: str, value: Any) -> None:
    declaration = json.dumps(DECLARATION | {body: value}).encode()
    reply = api.put(MODELS, content=declaration, headers=JSON | OWNER)
    if reply.status_code != 200:
        assert all(each["pointer"].startswith(f"/{body}") for each in problem_of(reply, 422)["errors"])


def test_an_owner_can_do_everything(world: AdminWorld, api: Client) -> None:
    assert api.put(MODELS, json=DECLARATION, headers=OWNER).json()["champion"] == 1
    opened = api.post(f"{MODELS}/retrain", json=REASON, headers=OWNER)
    assert (opened.status_code, opened.json()["reason"]) == (202, "boss asked: because")
    assert api.put(f"{MODELS}/pins", json={"versions": [1]}, headers=OWNER).json()["pins"] == [1]
    candidate = world.register("candidate")
    begun = api.post(f"{MODELS}/rollout", json={"version": candidate, **REASON}, headers=OWNER)
    assert (begun.status_code, begun.json()["phase"]) == (202, "shadow")
    paused = api.post(f"{MODELS}/rollout/pause", json=REASON, headers=OWNER)
    assert (paused.status_code, paused.json()["paused"]) == (200, True)
    problem_of(api.post(f"{MODELS}/rollout", json={"version": candidate, **REASON}, headers=OWNER), 409)
    assert api.post(f"{MODELS}/rollout/abort", json=REASON, headers=OWNER).json()["phase"] == "aborted"
    assert "abort" in api.get(f"{MODELS}/rollout").json()["reason"]
    assert api.post(f"{MODELS}/undeploy", json=REASON, headers=OWNER).json() == {"model": MODEL}
    problem_of(api.get(MODELS), 404)


def test_the_console_may_load_only_itself(api: Client) -> None:
    page = api.get("/console")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy
    for name, kind in (("console.js", "text/javascript"), ("console.css", "text/css")):
        assert f'"console/{name}"' in page.text
        file = api.get(f"/console/{name}")
        assert (file.status_code, file.headers["content-type"].partition(";")[0]) == (200, kind)
    assert "<script>" not in page.text
    assert " style=" not in page.text
    assert api.get("/").headers["location"] == "console"


def test_the_console_shows_refusals_and_warnings_by_the_names_that_the_status_has(api: Client) -> None:
    named = set(re.findall(r"\btraffic\.(\w+)", api.get("/console/console.js").text))
    assert {"errors", "refused", "refusals", "warnings"} <= named
    [model] = api.get("/api/status").json()["models"]
    assert named <= set(model["traffic"])
