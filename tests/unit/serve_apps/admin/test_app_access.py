"""Every route of the control API says who may ask, and nobody else may."""

import pytest
from fastapi.routing import APIRoute

from tests.worlds.admin.api import DECLARATION, JSON, MODELS, NAMES, REASON, problem_of, routes
from tests.worlds.admin.world import AdminWorld, Client, ControlClient
from tests.worlds.callers.keys import BOSS as OWNER
from tests.worlds.callers.keys import key, knowing
from tests.worlds.rollout.world import MODEL
from windvane.cluster.callers.api_key import ApiKey
from windvane.configs.access import ROLES
from windvane.serve_apps.admin.route_auth import READERS, RouteAuth, roles_of
from windvane.serve_apps.endpoints.refusal_log import RefusalLog


def known(world: AdminWorld, *keys: ApiKey, headers: dict[str, str] | None = None) -> Client:
    """For whoever shows one of these keys."""
    return ControlClient(world, headers or {}, route_auth=RouteAuth(knowing(*keys), RefusalLog(lambda _: None)))


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "wv_" + "b" * 43},
        {"authorization": "Basic secret"},
        {"x-api-key": "Bearer wrong"},
        {"x-forwarded-user": "boss", "x-role": "admin"},
    ],
)
def test_without_a_key_nothing_is_read_or_changed(world: AdminWorld, header: dict[str, str]) -> None:
    """Also with a body that cannot be read: who may not ask learns nothing about the answer."""
    api = ControlClient(world, {})
    world.start_rollout()
    before = world.contents()
    public = {"/", "/api/health", "/console", "/console/console.js", "/v2", "/v2/", "/v2/health/live"}
    changing = list(routes(api.app, mutating=True))
    assert len(changing) == 14
    for method, path in changing:
        for body in (b"{}", b"{", b"\xff", b""):
            reply = api.request(method, path, content=body, headers=JSON | header)
            assert problem_of(reply, 401)
            assert reply.headers["www-authenticate"].startswith('Bearer realm="windvane"')
    for method, path in routes(api.app, mutating=False):
        if path != "/v2/health/ready":
            status = api.request(method, path, headers=header).status_code
            assert status in ((200, 307) if path in public else (401,)), path
    assert world.contents() == before


def test_every_route_says_who_may_ask_and_nobody_else_may(world: AdminWorld) -> None:
    secrets = {role: f"wv_{role:x<43}" for role in ROLES}
    api = known(world, *(key(secret, role, name=role) for role, secret in secrets.items()))
    seen = set()
    for route in api.app.routes:
        assert isinstance(route, APIRoute)
        needed = roles_of(route)
        for method in route.methods or ():
            for role in ROLES if needed else ():
                headers = {"x-api-key": secrets[role], "content-type": "application/json"}
                reply = api.request(method, route.path_format.format(**NAMES), content=b"[]", headers=headers)
                assert (reply.status_code == 403) == (role not in (needed or ROLES)), (method, route.path, role)
        seen.add(needed)
    others = {("owner", "compliance", "admin"), ("client", "compliance", "admin")}
    assert seen == {None, ROLES, READERS, ("owner", "admin"), ("owner", "operator", "admin"), ("admin",), *others}


def test_going_on_is_for_owners_and_holding_for_others_too(world: AdminWorld) -> None:
    secret = "wv_" + "o" * 43
    api = known(world, key(secret, "operator"), headers={"x-api-key": secret})
    world.start_rollout()
    assert api.post(f"{MODELS}/rollout/pause", json=REASON).json()["paused"] is True
    for verb in "resume", "promote":
        problem_of(api.post(f"{MODELS}/rollout/{verb}", json=REASON), 403)
    assert api.post(f"{MODELS}/rollout/abort", json=REASON).status_code == 200


def test_a_key_for_single_models_sees_no_other(world: AdminWorld) -> None:
    mine, others = "wv_" + "m" * 43, "wv_" + "o" * 43
    api = known(world, key(mine, *ROLES, models=(MODEL,)), key(others, *ROLES, models=("trips",)))
    for path in "/api/status", "/metrics", "/openapi.json", "/docs":
        assert MODEL in api.get(path, headers={"x-api-key": mine}).text
        assert MODEL not in api.get(path, headers={"x-api-key": others}).text
    for method, path in (*routes(api.app, mutating=False), *routes(api.app, mutating=True)):
        if MODEL in path or "/keys" in path:
            problem_of(api.request(method, path, headers={"x-api-key": others} | JSON, content=b"{}"), 403)
    for name in MODEL, "nobodys":
        reply = api.get(f"/v2/models/{name}/ready", headers={"x-api-key": others})
        assert (reply.status_code, reply.json()) == (
            403,
            {"error": "'ann' may not use this model: ask an admin for a key that names it"},
        )
        assert api.post(f"/v2/models/{name}/decide", headers=JSON).status_code == 401


def test_the_owner_cannot_approve_what_the_owner_began_and_can_reject_it(world: AdminWorld, api: Client) -> None:
    plan = {**DECLARATION["rollout"], "approval": "required"}
    api.put(MODELS, json=DECLARATION | {"rollout": plan}, headers=OWNER)
    order = {"version": world.register("candidate"), **REASON}
    begun = api.post(f"{MODELS}/rollout", json=order, headers=OWNER).json()["approval"]
    assert (begun["requester"], begun["waits"]) == ("boss", "waits for approval by somebody other than boss")
    refused = problem_of(api.post(f"{MODELS}/rollout/approve", json=order, headers=OWNER), 403)
    assert refused["detail"].endswith("let somebody else approve it, with a key of their own.")
    assert refused["policies"] == ["four-eyes"]
    ended = api.post(f"{MODELS}/rollout/reject", json=order | {"plan": begun["plan"]}, headers=OWNER).json()
    assert (ended["phase"], ended["approval"]["rejection"]["reason"]) == ("aborted", "because")
