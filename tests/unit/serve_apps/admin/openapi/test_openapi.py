"""The document is the endpoints' own: every route is in it, and what is really answered is what it says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from tests.worlds.admin.api import TRIPS, api_of
from tests.worlds.admin.explanations import ADVERSE, PLAIN
from tests.worlds.admin.world import AdminWorld
from tests.worlds.bundles import SPEC
from tests.worlds.callers.keys import BOSS as OWNER
from tests.worlds.callers.keys import key, knowing, limited
from tests.worlds.gateway.conformity import Conformity
from tests.worlds.gateway.world import DECIDE, FEATURES, NOW, OUTCOMES, Reply, World, asked, champion, gateway
from tests.worlds.model_card import CARD
from tests.worlds.rollout.world import MODEL
from tests.worlds.rollout.world import SPEC as DEPLOYED
from windvane.cluster.errors import Invalid, WindvaneError
from windvane.serve_apps.admin.openapi.document import document
from windvane.serve_apps.admin.openapi.questions import features_schema
from windvane.serve_apps.admin.openapi.refusals import ERRORS
from windvane.serve_apps.protocol.decide import Decide
from windvane.serve_apps.versions.loaded_version import LoadedVersion

MODELS = f"/api/models/{MODEL}"
REASON = {"reason": "because"}
UNTOLD = ("/", "/v2/", "/openapi.json", "/docs", "/console", "/console/{name}")  # pages, and other spellings


def test_the_document_has_the_form_of_openapi(whole: dict[str, Any]) -> None:
    """As FastAPI knows it; the specification's own schema takes longer to load, and is asked in tests/e2e."""
    assert OpenAPI.model_validate(whole).openapi == "3.1.0"


def test_every_reference_leads_somewhere(whole: dict[str, Any]) -> None:
    def references(tree: Any) -> Iterator[str]:
        if isinstance(tree, dict):
            if "$ref" in tree:
                yield tree["$ref"]
            for each in tree.values():
                yield from references(each)
        elif isinstance(tree, list):
            for each in tree:
                yield from references(each)

    found = set(references(whole))
    assert len(found) > 30
    for reference in found:
        place: Any = whole
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    kinds = ("schemas", "responses", "parameters", "headers")
    unused = {f"#/components/{kind}/{name}" for kind in kinds for name in whole["components"][kind]} - found
    assert {each.rpartition("/")[2] for each in unused} <= {error.__name__ for error in ERRORS} | {
        f"Inference{error.__name__}" for error in ERRORS
    }


def test_every_operation_has_a_name_of_its_own(whole: dict[str, Any]) -> None:
    names = [each["operationId"] for methods in whole["paths"].values() for each in methods.values()]
    assert len(set(names)) == len(names) > 20


def test_every_status_of_the_error_tree_is_told_of() -> None:
    """A new one would otherwise be sent and nowhere be found."""

    def below(error: type[WindvaneError]) -> Iterator[type[WindvaneError]]:
        yield error
        for each in error.__subclasses__():
            yield from below(each)

    assert {error.status for error in below(WindvaneError)} == {error.status for error in ERRORS}


def test_every_route_of_the_endpoint_is_in_the_document_and_no_other(endpoint: World, whole: dict[str, Any]) -> None:
    told = {path: methods for path, methods in whole["paths"].items() if path.startswith(TRIPS)}
    assert {
        path: {method.upper() for method in methods} for path, methods in told.items()
    } == endpoint.http_app.templates()


def test_every_route_of_the_control_api_is_in_the_document_and_no_other(admin: AdminWorld) -> None:
    app = api_of(admin).app
    served = {
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, Route | APIRoute) and route.path not in UNTOLD
        for method in (route.methods or set()) - {"HEAD"}
    }
    told = document([], app.openapi())["paths"]
    assert {(method.upper(), path) for path, methods in told.items() for method in methods} == served


def test_the_control_app_serves_the_document_of_the_models_that_are_deployed(admin: AdminWorld) -> None:
    api = api_of(admin)
    found = api.get("/openapi.json").json()
    assert found == json.loads(json.dumps(document([DEPLOYED], api.app.openapi())))
    assert f"/v2/models/{MODEL}/decide" in found["paths"]


def test_a_key_is_asked_for_where_the_document_says_so(admin: AdminWorld) -> None:
    api = api_of(admin)
    admin.start_rollout()
    told = document([], api.app.openapi())
    conformity = Conformity(told)
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            where = path.format(model=MODEL, verb="abort", decision_id="d1", version=1, key_id="x", subject="ann")
            json_and_no_key = {"content-type": "application/json", "authorization": "Bearer nobodys"}
            found = api.request(method.upper(), where, headers=json_and_no_key)
            assert (found.status_code == 401) == bool(operation["security"]), (method, where)
            if operation["security"]:
                reply = Reply(401, dict(found.headers), found.content)
                assert conformity.of(method, where, reply) == []
                assert {scheme for each in operation["security"] for scheme in each} == {"bearer", "apiKey"}


@pytest.mark.parametrize(
    ("method", "path"), [("POST", DECIDE), ("POST", OUTCOMES), ("GET", TRIPS), ("POST", f"{TRIPS}/infer")]
)
def test_who_is_not_let_in_is_answered_as_the_document_says(
    versions: dict[int, LoadedVersion], tmp_path: Path, conformity: Conformity, method: str, path: str
) -> None:
    others, slow = "wv_" + "o" * 43, "wv_" + "s" * 43
    keys = (key(others, "client", models=("loans",)), limited(slow, 1.0, 1))
    with gateway(versions, champion(), tmp_path, authenticator=knowing(*keys)) as world:
        world.ask(path, {"instances": []}, method, x_api_key=slow)
        for sent, status in (({}, 401), ({"x_api_key": others}, 403), ({"x_api_key": slow}, 429)):
            reply = world.ask(path, {}, method, **sent)
            assert (reply.status, conformity.of(method, path, reply)) == (status, [])


def test_replies_of_the_control_api_are_as_the_document_says(admin: AdminWorld) -> None:
    api = api_of(admin)
    conformity = Conformity(api.get("/openapi.json").json())
    declaration = DEPLOYED.model_dump(mode="json")
    declaration["rollout"]["approval"] = "required"
    candidate = admin.register("candidate")
    admin.records.told = {(MODEL, "d1"): PLAIN, (MODEL, "d2"): ADVERSE}
    admin.records.cards = {(MODEL, 1): CARD}
    order = {"version": candidate, **REASON}
    for method, path, body, status in [
        ("GET", "/api/health", None, 200),
        ("GET", MODELS, None, 200),
        ("PUT", MODELS, declaration, 200),
        ("PUT", MODELS, declaration | {"features": 1}, 422),
        ("GET", f"{MODELS}/versions", None, 200),
        ("GET", f"{MODELS}/rollout", None, 404),
        ("POST", f"{MODELS}/rollout", order, 202),
        ("POST", f"{MODELS}/rollout", order, 409),
        ("POST", f"{MODELS}/rollout/approve", order, 403),
        ("POST", f"{MODELS}/rollout/approve", {"version": 1, **REASON}, 403),
        ("POST", f"{MODELS}/rollout/approve", REASON, 422),
        ("POST", f"{MODELS}/rollout/pause", REASON, 200),
        ("POST", f"{MODELS}/rollout/pause", {}, 422),
        ("GET", f"{MODELS}/rollout", None, 200),
        ("POST", f"{MODELS}/retrain", REASON, 202),
        ("PUT", f"{MODELS}/pins", {"versions": [1]}, 200),
        ("GET", f"{MODELS}/events", None, 200),
        ("GET", f"{MODELS}/versions/1/card", None, 200),
        ("GET", f"{MODELS}/versions/2/card", None, 404),
        ("GET", f"{MODELS}/decisions/d1/explanation", None, 200),
        ("GET", f"{MODELS}/decisions/d2/explanation", None, 200),
        ("GET", f"{MODELS}/decisions/d3/explanation", None, 404),
        ("GET", "/api/status", None, 200),
        ("GET", "/metrics", None, 200),
        ("GET", "/api/models/nobody", None, 404),
        ("PUT", "/api/models/nobody", {}, 422),
        ("POST", f"{MODELS}/undeploy", REASON, 409),
        ("POST", f"{MODELS}/rollout/reject", order, 200),
        ("POST", f"{MODELS}/rollout/abort", REASON, 200),
        ("POST", f"{MODELS}/undeploy", REASON, 200),
        ("POST", "/api/models/nobody/rollout/abort", REASON, 404),
    ]:
        found = api.request(method, path, json=body, headers=OWNER)
        assert found.status_code == status, found.text
        reply = Reply(status, dict(found.headers), found.content)
        assert conformity.of(method, path, reply) == [], found.text
        if body is not None and status < 300:
            assert conformity.asked(method, path, body) == []
        if body is not None and method == "POST":
            kind, open_body = {"content-type": "text/plain"} | OWNER, {"content-type": "application/json"}
            for headers, content, refused in [
                (kind, b"{}", 415),
                (open_body | OWNER, b"{", 400),
                (open_body | {"authorization": "Bearer nobodys"}, b"", 401),
            ]:
                found = api.request(method, path, content=content, headers=headers)
                assert found.status_code == refused
                assert conformity.of(method, path, Reply(refused, dict(found.headers), found.content)) == []
    query = api.get(f"{MODELS}/events?limit=0")
    assert conformity.of("GET", f"{MODELS}/events", Reply(422, dict(query.headers), query.content)) == []


def test_a_rollouts_verdict_is_as_the_document_says(admin: AdminWorld) -> None:
    api = api_of(admin)
    conformity = Conformity(api.get("/openapi.json").json())
    admin.start_rollout()
    admin.tick()
    found = api.get(f"{MODELS}/rollout")
    assert found.json()["verdict"]["guardrails"]
    assert conformity.of("GET", f"{MODELS}/rollout", Reply(200, dict(found.headers), found.content)) == []


def test_conformity_sees_what_does_not_fit(endpoint: World, conformity: Conformity) -> None:
    """The other tests say nothing if it lets everything pass."""
    reply = endpoint.ask(DECIDE, asked())
    more = Reply(200, reply.headers, json.dumps(reply.json | {"secret": 1}).encode())
    assert "secret" in conformity.of("POST", DECIDE, more)[0]
    assert "may not answer 418" in conformity.of("POST", DECIDE, Reply(418, {}, b""))[0]
    assert "is text/html" in conformity.of("POST", DECIDE, Reply(200, {"content-type": "text/html"}, b""))[0]
    busy = Reply(429, {"content-type": "application/problem+json"}, b"{}")
    assert "lacks the header Retry-After" in conformity.of("POST", DECIDE, busy)
    assert conformity.of("GET", "/nowhere", reply) == ["GET /nowhere is not in the document"]


VALUES = st.none() | st.booleans() | st.integers(-30, 30) | st.floats(-1e39, 1e39) | st.text(max_size=3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*FEATURES, "other"]), VALUES), st.booleans())
def test_the_document_and_the_endpoint_take_the_same_features(sent: dict[str, Any], filled: bool) -> None:
    features = (FEATURES if filled else {}) | sent
    schema = {"allOf": [features_schema(SPEC)]}
    told = not list(Conformity({"components": {}}).against(schema, features))
    try:
        Decide(SPEC).decode(json.dumps({"subject": "a", "features": features}).encode(), NOW)
        taken = True
    except Invalid:
        taken = False
    assert told == taken
