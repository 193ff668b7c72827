"""A Desk over the made-up world of rollouts, with a monitor that answers or does not."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import httpx
from fastapi import FastAPI

from cluster.callers.authenticator import Authenticator
from cluster.callers.key_book import KeyBook
from cluster.cedar_policy import taken
from cluster.cedar_rules import compile_policies
from cluster.consent import ConsentRecords
from cluster.errors import NotFound, Unavailable
from cluster.model_card import Card
from cluster.policy_library import PolicyLibrary
from cluster.store import Store
from monitoring.snapshot import Snapshot
from serve_apps.admin import make_app
from serve_apps.admin_gate import AdminGate
from serve_apps.consent_desk import ConsentDesk
from serve_apps.desk import Desk
from serve_apps.governance_routes import Governance
from serve_apps.guarded import Keeper
from serve_apps.inference_server import add_server_routes
from serve_apps.key_desk import KeyDesk
from serve_apps.policy_desk import PolicyDesk
from serve_apps.replies import Retold
from serve_apps.rollout.plan import Rollout
from serve_apps.turned_away import TurnedAway
from tests.callers import BOSS, knowing
from tests.fakes import FakeStore
from tests.gateway_world import PACKAGED_POLICY
from tests.policies import PACKAGED
from tests.rollout_world import MODEL, World

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
    replicas=2,
    profiles=(1,),
    denied={"consent": 2},
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
            async with httpx.AsyncClient(transport=transport, base_url="http://windvane", headers=self.headers) as http:
                return await http.request(method, path, **options)

        return asyncio.run(ask())


class ControlClient(Client):
    """Asks the control API over one desk, with the boss's key where a request does not say otherwise."""

    def __init__(self, desk: Desk, headers: dict[str, str] | None = None) -> None:
        app, self._asked = _standing()
        super().__init__(app, BOSS if headers is None else headers)
        self._desk = desk

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        self._asked.desk = self._desk
        return super().request(method, path, **options)


class _Asked:
    """Whichever desk is asked at the moment: to build the app for every test takes longer than most of the tests."""

    desk: Desk

    def __getattr__(self, name: str) -> Any:
        return getattr(self.desk, name)


@cache
def _standing() -> tuple[FastAPI, _Asked]:
    asked = _Asked()
    return control_app(cast(Desk, asked)), asked


def control_app(desk: Desk, switchboard: Any = None, store: Store | None = None) -> FastAPI:
    """The control API as control puts it together, for the boss and for strangers."""
    keys = KeyDesk(KeyBook(FakeStore()), lambda _: None, Authenticator())  # of its own, so that the boss stays known
    governed = governance(store)
    app = make_app(desk, Keeper(knowing(), TurnedAway(lambda _: None)), keys, governed)
    add_server_routes(app, lambda: desk.models(), switchboard, governed.gate.demand_open)
    return app


def governance(store: Store | None = None) -> Governance:
    """The packaged policies in force until another set is put into the store, and replicas that are always told."""
    found = store or FakeStore()
    library = PolicyLibrary(found, compile_policies)
    library.install(PACKAGED, "windvane", "the first set", datetime.now(UTC))
    gate = AdminGate(library, lambda found: PACKAGED_POLICY if found == PACKAGED else taken(found), lambda _: None)

    def post(*_: object) -> bool:
        return True

    consents = ConsentDesk(ConsentRecords(found), gate, lambda _: None, post)
    return Governance(gate, PolicyDesk(library, gate, post), consents)


class DeskWorld(World):
    """One deployed model with a champion, and the desk that answers for it."""

    def __init__(self) -> None:
        super().__init__()
        self.monitors = FakeMonitors()
        self.records = FakeRecords()
        self.desk = Desk(self.store, self.registry, self.controller, self.monitors, self.records, lambda: self.now)

    def start_rollout(self) -> Rollout:
        return self.controller.start(MODEL, self.register("candidate"), self.now, "try it")

    def contents(self) -> tuple[Any, ...]:
        """Everything that is on record."""
        kinds = ("model", "split", "rollout", "pins", "retrain_request")
        return (*(self.store.list(kind) for kind in kinds), self.store.events(), self.registry.versions(MODEL))
