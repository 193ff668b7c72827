"""A Desk over the made-up world of rollouts, with a monitor that answers or does not."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import httpx
from fastapi import FastAPI

from cluster.access import digest
from cluster.cedar_rules import compile_policies
from cluster.consent import ConsentRecords
from cluster.errors import Unavailable
from cluster.policy_library import PolicyLibrary
from cluster.store import Store
from monitoring.snapshot import Snapshot
from serve_apps.admin import make_app
from serve_apps.admin_gate import AdminGate
from serve_apps.consent_desk import ConsentDesk
from serve_apps.desk import Desk
from serve_apps.governance_routes import Governance
from serve_apps.policy_desk import PolicyDesk
from serve_apps.rollout.plan import Rollout
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


class Client:
    """Asks an ASGI app without a server: Starlette's own test client wants a package beside httpx."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)  # what the app raises comes out here
            async with httpx.AsyncClient(transport=transport, base_url="http://windvane") as http:
                return await http.request(method, path, **options)

        return asyncio.run(ask())


class ControlClient(Client):
    """Asks the control API over one desk."""

    def __init__(self, desk: Desk, token: str, open_reading: bool = True) -> None:
        app, self._asked = _standing(token, open_reading)
        super().__init__(app)
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
def _standing(token: str, open_reading: bool) -> tuple[FastAPI, _Asked]:
    asked = _Asked()
    return make_app(cast(Desk, asked), governance(), lambda: digest(token), open_reading), asked


def governance(store: Store | None = None) -> Governance:
    """The packaged policies in force, and replicas that are always told."""
    found = store or FakeStore()
    library = PolicyLibrary(found, compile_policies)
    library.install(PACKAGED, "windvane", "the first set", datetime.now(UTC))
    gate = AdminGate(library, lambda _: PACKAGED_POLICY, lambda _: None)

    def post(*_: object) -> bool:
        return True

    consents = ConsentDesk(ConsentRecords(found), gate, lambda _: None, post)
    return Governance(gate, PolicyDesk(library, gate, post), consents)


class DeskWorld(World):
    """One deployed model with a champion, and the desk that answers for it."""

    def __init__(self) -> None:
        super().__init__()
        self.monitors = FakeMonitors()
        self.desk = Desk(self.store, self.registry, self.controller, self.monitors, lambda: self.now)

    def start_rollout(self) -> Rollout:
        return self.controller.start(MODEL, self.register("candidate"), self.now, "try it")

    def contents(self) -> tuple[Any, ...]:
        """Everything that is on record."""
        kinds = ("model", "split", "rollout", "pins", "retrain_request")
        return (*(self.store.list(kind) for kind in kinds), self.store.events(), self.registry.versions(MODEL))
