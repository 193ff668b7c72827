"""Control over the made-up world of rollouts, with a monitor that answers or does not."""

import asyncio
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
from fastapi import FastAPI

from tests.worlds.callers.keys import BOSS, knowing
from tests.worlds.gateway.world import PACKAGED_POLICY
from tests.worlds.policies import PACKAGED
from tests.worlds.rollout.world import MODEL, World
from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.declarations import Declarations
from windvane.cluster.errors import NotFound, Unavailable
from windvane.cluster.model_card import Card
from windvane.cluster.policies.cedar_policy import taken
from windvane.cluster.policies.cedar_rules import compile_policies
from windvane.cluster.policies.consent import ConsentRecords
from windvane.cluster.policies.policy_library import PolicyLibrary
from windvane.cluster.runtime.waiting import Wait
from windvane.cluster.store import Store
from windvane.monitoring.counts.snapshot import Snapshot
from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.app import Admins, make_app
from windvane.serve_apps.admin.governance.consents import ConsentAdmin
from windvane.serve_apps.admin.governance.policies import PolicyAdmin
from windvane.serve_apps.admin.governance.routes import Governance
from windvane.serve_apps.admin.inference_server import add_server_routes
from windvane.serve_apps.admin.key_admin import KeyAdmin
from windvane.serve_apps.admin.model_admin import ModelAdmin
from windvane.serve_apps.admin.records.model_history import ModelHistory
from windvane.serve_apps.admin.records.records import RecordsAdmin
from windvane.serve_apps.admin.records.replies import Retold
from windvane.serve_apps.admin.rollout_admin import RolloutAdmin
from windvane.serve_apps.admin.route_auth import RouteAuth
from windvane.serve_apps.endpoints.refusal_log import RefusalLog
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.starting import StartOrder

SEEN = Snapshot(
    model=MODEL,
    watermark=1_700_000_000.0,
    decisions=1200,
    errors=3,
    decisions_per_second=80.0,
    latency_p50_ms=2.5,
    latency_p99_ms=9.0,
    arms=(),
    shadow_scores={},
    shadow_dropped={2: 4},
    waiting=7,
    waiting_dropped=0,
    labelled=1000,
    corrected=3,
    unmatched=4,
    replicas=2,
    profiles=(1,),
    denied={"consent": 2},
    refused=5,
    refusals={("", "malformed_request"): 1, ("income", "range"): 4},
    warnings={("plan", "unknown_category"): 3},
)


class FakeMonitors:
    """Says the same of every model until it is away."""

    def __init__(self) -> None:
        self.seen = SEEN
        self.away = False

    def snapshot(self, model: str) -> Snapshot:
        if self.away:
            raise Unavailable("the monitor is restarting")
        return replace(self.seen, model=model)


class FakeRecords:
    """Knows what was put into `told`, by model and decision, and into `cards`, by model and version."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, str], Retold] = {}
        self.cards: dict[tuple[str, int], Card] = {}

    def explain(self, model: str, decision_id: str, by: str) -> Retold:
        if (model, decision_id) not in self.told:
            raise NotFound(f"The log of {model} has no decision {decision_id!r}")
        return self.told[model, decision_id]

    def card(self, model: str, number: int) -> Card:
        if (model, number) not in self.cards:
            raise NotFound(f"Version {number} of {model} was registered without a card")
        return self.cards[model, number]


class Client:
    """Asks an ASGI app without a server: Starlette's own test client wants a package beside httpx."""

    def __init__(self, app: FastAPI, headers: dict[str, str] | None = None) -> None:
        """`headers` are sent where a request does not say otherwise."""
        self.app = app
        self.headers = headers or {}

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)  # what the app raises comes out here
            async with httpx.AsyncClient(
                transport=transport, base_url="http://windvane", headers=self.headers, trust_env=False
            ) as http:
                return await http.request(method, path, **options)

        return asyncio.run(ask())


class ControlClient(Client):
    """Asks the control API as control puts it together, for the boss where a request does not say otherwise."""

    def __init__(
        self,
        world: "AdminWorld | None" = None,
        headers: dict[str, str] | None = None,
        *,
        route_auth: RouteAuth | None = None,
        keys: KeyAdmin | None = None,
        governed: Governance | None = None,
        switchboard: Any = None,
        records: RecordsAdmin | None = None,
    ) -> None:
        """Without `route_auth` the boss is known and nobody else; without `records` there are no routes about them."""
        app, self._asked = _standing(records is not None)
        super().__init__(app, BOSS if headers is None else headers)
        governed = governed or governance()
        self._parts = {
            "declarations": world and world.declarations,
            "models": world and world.model_admin,
            "history": world and world.history,
            "rollouts": world and world.rollout_admin,
            "route_auth": route_auth or RouteAuth(knowing(), RefusalLog(lambda _: None)),
            "keys": keys or KeyAdmin(KeyBook(MemoryStore()), lambda _: False, Authenticator()),  # the boss stays known
            "admin_policy": governed.admin_policy,
            "policies": governed.policies,
            "consents": governed.consents,
            "switchboard": switchboard,
            "records": records,
        }

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        for name, asked in self._asked.items():
            asked.part = self._parts[name]
        return super().request(method, path, **options)


def problem_of(reply: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document that a reply has to be."""
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), reply.text
    found: dict[str, Any] = reply.json()
    assert found["status"] == status
    return found


class _Asked:
    """Whichever part is asked at the moment: to build the app for every test takes longer than most of the tests."""

    part: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.part, name)


class _AskedRouteAuth(_Asked):
    route_class = RouteAuth.route_class  # of routes that ask this one, whose part may change


@cache
def _standing(has_records: bool) -> tuple[FastAPI, dict[str, _Asked]]:
    governing = ("admin_policy", "policies", "consents")
    shown = ("declarations", "models", "history", "rollouts", "keys", *(["records"] if has_records else []))
    asked: dict[str, Any] = {name: _Asked() for name in (*governing, *shown, "switchboard")}
    asked["route_auth"] = _AskedRouteAuth()
    governed = Governance(**{name: asked[name] for name in governing})
    admins = Admins(governance=governed, **{name: asked[name] for name in shown})
    app = make_app(admins, asked["route_auth"])
    add_server_routes(
        app, lambda: asked["declarations"].all(), asked["switchboard"], lambda: asked["admin_policy"].demand_open()
    )
    return app, asked


def _installed(store: Store) -> Store:
    PolicyLibrary(store, compile_policies).install(PACKAGED, "windvane", "the first set", datetime.now(UTC))
    return store


@cache
def _store_with_policies() -> Store:
    return _installed(MemoryStore())


def governance(store: Store | None = None) -> Governance:
    """The packaged policies in force, in `store` or in one of its own, and replicas that are always told."""
    found = deepcopy(_store_with_policies()) if store is None else _installed(store)
    library = PolicyLibrary(found, compile_policies)
    admin_policy = AdminPolicy(
        library, lambda files: PACKAGED_POLICY if files == PACKAGED else taken(files), lambda _: None
    )

    def post(topic: str, body: str, patience_seconds: float, revision: int | None = None) -> bool:
        return True

    consents = ConsentAdmin(ConsentRecords(found), admin_policy, lambda _: None, post)
    return Governance(admin_policy, PolicyAdmin(library, admin_policy, post), consents)


class AdminWorld(World):
    """One deployed model with a champion, and the admins that answer for it and its rollouts."""

    def __init__(self) -> None:
        super().__init__()
        self.monitors = FakeMonitors()
        self.records = FakeRecords()
        self.waits: tuple[Wait, ...] = ()
        self.declarations = Declarations(self.store)
        ports = (self.store, self.declarations, self.registry, self.controller, self.monitors)
        self.model_admin = ModelAdmin(*ports, lambda: self.now, lambda: self.waits)
        self.history = ModelHistory(self.store, self.declarations, self.registry, self.records)
        self.rollout_admin = RolloutAdmin(self.declarations, self.registry, self.controller, lambda: self.now)

    def admins(self, keys: KeyAdmin, governed: Governance, records: RecordsAdmin | None = None) -> Admins:
        return Admins(
            declarations=self.declarations,
            models=self.model_admin,
            history=self.history,
            rollouts=self.rollout_admin,
            keys=keys,
            governance=governed,
            records=records,
        )

    def start_rollout(self) -> Rollout:
        return self.controller.start(StartOrder(MODEL, self.register("candidate"), "try it"), self.now)

    def contents(self) -> tuple[Any, ...]:
        """Everything that is on record."""
        kinds = ("model", "split", "rollout", "pins", "retrain_request")
        return (*(self.store.list(kind) for kind in kinds), self.store.events(), self.registry.versions(MODEL))
