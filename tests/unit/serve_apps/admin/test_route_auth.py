"""Every route of the control API names who may ask and asks before it reads; one that does not stops the start."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import PlainTextResponse

from tests.worlds.admin.world import Client
from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.caller import demand_role
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import KeyRing
from windvane.cluster.callers.rate import Limit
from windvane.cluster.errors import Unauthorized, WindvaneError
from windvane.configs.access import ROLES, Role
from windvane.serve_apps.admin.route_auth import (
    MOST_BYTES,
    READERS,
    RouteAuth,
    caller_of,
    demand_guards,
    needs,
    needs_all_models,
    open_to_all,
)
from windvane.serve_apps.endpoints.refusal_log import RefusalLog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class World:
    """A small app with a route of each kind, and keys for it."""

    def __init__(self) -> None:
        self.book = KeyBook(MemoryStore())
        self.authenticator = Authenticator(ticks=lambda: 0.0)
        self.said: list[str] = []
        self.done: list[str] = []
        route_auth = RouteAuth(self.authenticator, RefusalLog(self.said.append, lambda: 0.0))
        self.app = app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.router.route_class = route_auth.route_class()
        app.add_exception_handler(WindvaneError, self.refuse)
        self.api = Client(app)

        @app.get("/open", openapi_extra=open_to_all())
        def opened() -> str:
            return "anybody"

        @app.get("/models/{model}", openapi_extra=needs(*READERS))
        def read(request: Request) -> str:
            return caller_of(request).name

        @app.get("/everything", openapi_extra=needs_all_models("admin"))
        def everything() -> str:
            return "all"

        @app.get("/models/{model}/deeper", openapi_extra=needs(*READERS))
        def deeper(request: Request) -> str:
            demand_role(caller_of(request), "admin")
            return "deep"

        @app.put("/subjects/{subject:path}/consent", openapi_extra=needs(*ROLES))
        def agree(body: dict[str, int]) -> int:
            return len(body)

        @app.post("/models/{model}", openapi_extra=needs("operator"))
        def change(request: Request) -> str:
            self.done.append(caller_of(request).name)
            return "done"

    async def refuse(self, request: Request, error: Exception) -> PlainTextResponse:
        assert isinstance(error, WindvaneError)
        return PlainTextResponse(str(error), error.status)

    def key(self, *roles: Role, models: tuple[str, ...] | None = None, limit: Limit | None = None) -> dict[str, str]:
        _, secret = self.book.create(KeyOrder("ann", roles, models, None, limit), "up", NOW)
        self.authenticator.take(KeyRing(self.book.snapshot()))
        return {"authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def standing() -> World:
    return World()


@pytest.fixture
def world(standing: World) -> World:
    standing.said.clear()
    standing.done.clear()
    return standing


def test_without_a_key_nothing_but_what_is_open_is_answered(world: World) -> None:
    assert world.api.get("/open").json() == "anybody"
    assert world.api.get("/models/trips").status_code == 401
    assert world.api.post("/models/trips", json={}).status_code == 401
    assert [line.split(":")[0] for line in world.said] == [
        "401 for nobody known at 'GET /models/{model}'",
        "401 for nobody known at 'POST /models/{model}'",
    ]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_names_it_and_nothing_else(world: World, role: Role) -> None:
    key = world.key(role)
    assert world.api.get("/models/trips", headers=key).status_code == (200 if role in READERS else 403)
    assert world.api.post("/models/trips", json={}, headers=key).status_code == (200 if role == "operator" else 403)
    assert world.done == (["ann"] if role == "operator" else [])


def test_the_key_may_stand_in_either_header_and_in_one_only(world: World) -> None:
    key = world.key("owner")["authorization"].removeprefix("Bearer ")
    assert world.api.get("/models/trips", headers={"x-api-key": key}).json() == "ann"
    both = {"x-api-key": key, "authorization": f"Bearer {key}"}
    assert world.api.get("/models/trips", headers=both).status_code == 401
    twice = httpx.Headers([("x-api-key", key), ("x-api-key", key)])
    assert world.api.get("/models/trips", headers=twice).status_code == 401


def test_anothers_model_is_refused_in_the_same_words_whether_it_exists_or_not(world: World) -> None:
    key = world.key(*ROLES, models=("trips",))
    assert world.api.get("/models/trips", headers=key).status_code == 200
    for model in "churn", "nobodys":
        reply = world.api.get(f"/models/{model}", headers=key)
        assert (reply.status_code, reply.text) == (
            403,
            "'ann' may not use this model: ask an admin for a key that names it",
        )


def test_what_is_about_all_models_is_not_for_who_has_to_do_with_one(world: World) -> None:
    assert world.api.get("/everything", headers=world.key("admin")).status_code == 200
    assert world.api.get("/everything", headers=world.key("admin", models=("trips",))).status_code == 403
    assert world.api.get("/everything", headers=world.key("owner")).status_code == 403


def test_what_a_route_itself_refuses_is_on_record_too(world: World) -> None:
    assert world.api.get("/models/trips/deeper", headers=world.key("owner")).status_code == 403
    assert "at 'GET /models/{model}/deeper': This needs the role admin" in world.said[-1]


@pytest.mark.parametrize("header", ["x-role", "x-roles", "x-forwarded-user", "x-windvane-role", "role"])
def test_a_header_that_names_a_role_gives_none(world: World, header: str) -> None:
    assert world.api.get("/models/trips", headers={header: "admin"}).status_code == 401
    assert (
        world.api.post("/models/trips", json={}, headers=world.key("client") | {header: "operator"}).status_code == 403
    )


def test_who_asks_comes_before_what_is_sent(world: World) -> None:
    """A stranger learns nothing of what a body should be, and none of it is parsed."""
    for sent in b"{", b"\xff", b'{"a": 1, "a": 2}':
        json = {"content-type": "application/json"}
        assert world.api.request("POST", "/models/trips", content=sent, headers=json).status_code == 401
        reply = world.api.request("POST", "/models/trips", content=sent, headers=json | world.key("operator"))
        assert reply.status_code == 400
    assert world.api.post("/models/trips", content=b"{}", headers=world.key("operator")).status_code == 415


def test_a_key_asks_as_fast_as_it_may(world: World) -> None:
    key = world.key("owner", limit=Limit(1.0, 2))
    statuses = [world.api.get("/models/trips", headers=key).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert "429 for 'ann'" in world.said[-1]


def test_a_route_that_does_not_say_who_may_ask_is_not_started() -> None:
    app = FastAPI()
    app.router.route_class = RouteAuth(Authenticator(), RefusalLog()).route_class()
    with pytest.raises(ValueError, match="/forgotten does not say who may ask"):

        @app.get("/forgotten")
        def forgotten() -> None:
            """Nobody thought of it."""


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_is_read_up_to_a_limit(world: World, announced: bool) -> None:
    key = world.key("client") | {"content-type": "application/json"}
    largest = b'{"a": 1' + b" " * (MOST_BYTES - 8) + b"}"

    async def in_parts(body: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(body), 1 << 20):
            yield body[at : at + (1 << 20)]

    for body, status in ((largest, 200), (largest + b" ", 413)):
        reply = world.api.put("/subjects/ann/consent", content=body if announced else in_parts(body), headers=key)
        assert reply.status_code == status, reply.text


def test_the_name_of_who_a_request_is_about_is_in_no_line(world: World) -> None:
    assert world.api.put("/subjects/Ana Example/consent", json={}).status_code == 401
    assert "Ana" not in world.said[-1]
    assert "PUT /subjects/{subject:path}/consent" in world.said[-1]


def test_a_route_that_names_no_role_is_not_taken_for_an_open_one() -> None:
    with pytest.raises(ValueError, match="name the roles"):
        needs()


def test_a_router_that_brings_routes_of_its_own_is_not_started(world: World) -> None:
    demand_guards(world.app)
    app, router = FastAPI(openapi_url=None, docs_url=None, redoc_url=None), APIRouter()
    router.get("/forgotten")(lambda: None)
    app.include_router(router)
    with pytest.raises(ValueError, match="is not guarded"):
        demand_guards(app)


def test_refusals_are_logged_where_nobody_says_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        RefusalLog().note(Unauthorized("Send your key"), "GET /", None)
    assert caplog.messages == ["401 for nobody known at 'GET /': Send your key"]
