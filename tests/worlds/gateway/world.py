"""One Gateway without Ray, a disk or a clock: real versions behind the real app, fakes where the process would end."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.worlds.bundles import SPEC
from tests.worlds.callers.keys import TESTER, knowing
from tests.worlds.gateway.fakes import FakeCounts, FakeLog
from tests.worlds.policies import PACKAGED
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.clock import Clock
from windvane.cluster.decision_log.record import Decision, Outcome, Shadow, Value
from windvane.cluster.policies.cedar_policy import CedarPolicy
from windvane.cluster.policies.mandate import mandate_of
from windvane.cluster.policies.policy import Policy
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.endpoints.authentication import Authentication
from windvane.serve_apps.endpoints.data_plane import DataPlane
from windvane.serve_apps.endpoints.http_app import HttpApp
from windvane.serve_apps.endpoints.refusal_log import RefusalLog
from windvane.serve_apps.endpoints.request_counts import RequestCounts
from windvane.serve_apps.pipeline.decider import Decider, ServedModel
from windvane.serve_apps.pipeline.policy_check import PolicyCheck
from windvane.serve_apps.pipeline.shadows import Shadows
from windvane.serve_apps.traffic.loaded_versions import LoadedVersions
from windvane.serve_apps.traffic.router import Arm, Split
from windvane.serve_apps.versions.loaded_version import LoadedVersion

NOW = 1_800_000_000.0
FEATURES: dict[str, Value] = {"temp": 3.5, "distance": 1200.0, "stops": 1, "night": True, "origin": "JFK"}
MODEL = "/v2/models/trips"
READY, DECIDE, OUTCOMES = f"{MODEL}/ready", f"{MODEL}/decide", f"{MODEL}/outcomes"
T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """Reply over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def pointers(self) -> list[str]:
        return [each["pointer"] for each in self.json.get("errors", [])]


@dataclass
class SetInForce:
    """The policy set that tests are judged by, until another one is put here."""

    policy: Policy


PACKAGED_POLICY = CedarPolicy(PACKAGED)


class World:
    """One replica's parts on their own event loop."""

    def __init__(
        self,
        versions: Mapping[int, LoadedVersion],
        split: Split | None,
        home: Path,
        spec: ModelSpec,
        authenticator: Authenticator,
        unit: Callable[[str], str],
    ) -> None:
        self.loop = asyncio.new_event_loop()
        self.log, self.counts, self.ticks = FakeLog(), FakeCounts(), 0.0
        self.loaded_versions = LoadedVersions(lambda number: versions[number], retry_seconds=0.0)
        self.shadows = Shadows(self.log, self.counts, lambda: NOW)
        self.policies = SetInForce(PACKAGED_POLICY)
        self.consents: dict[tuple[str, str], bool] = {}
        self.is_fresh = True
        self.policy_check = PolicyCheck(mandate_of(spec), self.policies, self, lambda: self.is_fresh)
        clock = Clock(lambda: NOW, lambda: self.ticks)
        model = ServedModel(spec, self.loaded_versions, self.policy_check)
        self.decider = Decider(model, self.log, self.counts, self.shadows, self.loop, clock, unit)
        self.refusal_log: list[str] = []
        self.authentication = Authentication(spec.name, authenticator, RefusalLog(self.refusal_log.append, lambda: 0.0))
        self.hooks: list[str] = []
        self.data_plane = DataPlane(model, self.authentication, self.decider, RequestCounts(self.counts), clock)
        self.http_app = HttpApp(self.data_plane, self.log, self._hook("start"), self._hook("stop"))
        if split is not None:
            self.take(split)

    def of(self, subject: str, purpose: str) -> bool | None:
        """Consent of the subject, as `PolicyCheck` asks for it."""
        return self.consents.get((subject, purpose))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def take(self, split: Split) -> None:
        async def arrive() -> None:
            self.loaded_versions.take(split)
            await settled(
                lambda: self.loaded_versions.in_force is not None and self.loaded_versions.in_force.split == split
            )

        self.run(arrive())

    def ask(self, path: str, body: object = b"", method: str = "POST", **headers: str) -> Reply:
        return self.run(self.send(path, body, method, **headers))

    async def send(self, path: str, body: object = b"", method: str = "POST", **headers: str) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await call(self.http_app, method, path, [raw], {"content-length": str(len(raw)), **named(headers)})

    def quiet(self) -> None:
        """Let everything off the path happen."""

        async def wait() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            await self.shadows.drain()

        self.run(wait())

    @property
    def decisions(self) -> list[Decision]:
        return self.log.of(Decision)

    @property
    def outcomes(self) -> list[Outcome]:
        return self.log.of(Outcome)

    @property
    def shadow_records(self) -> list[Shadow]:
        return self.log.of(Shadow)

    def _hook(self, name: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def hook() -> None:
            self.hooks.append(name)

        return hook


@contextmanager
def gateway(
    versions: Mapping[int, Any],
    split: Split | None,
    home: Path,
    spec: ModelSpec = SPEC,
    authenticator: Authenticator | None = None,
    unit: Callable[[str], str] = str,
) -> Iterator[World]:
    """World whose caller without a key is the tester, unless another authenticator says otherwise."""
    world = World(versions, split, home, spec, authenticator or knowing(anybody=TESTER), unit)
    try:
        yield world
    finally:
        world.run(world.loaded_versions.close())
        world.loop.run_until_complete(world.loop.shutdown_default_executor())
        world.loop.close()


def named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


async def call(app: Any, method: str, path: str, parts: Sequence[bytes], headers: Mapping[str, str]) -> Reply:
    """One request whose body comes in `parts`; the client stays until it is answered."""
    messages = [
        {"type": "http.request", "body": part, "more_body": place + 1 < len(parts)} for place, part in enumerate(parts)
    ]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else await answered

    async def send(message: Any) -> None:
        sent.append(message)

    answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await app({"type": "http", "method": method, "path": path, "headers": raw}, receive, send)
    if not sent:
        return Reply(0, {}, b"")
    named = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], named, b"".join(message.get("body", b"") for message in sent[1:]))


async def settled(true: Callable[[], bool], turns: int = 100_000) -> None:
    """Turn the loop until it is true; loads run in threads, so it takes as many turns as they take."""
    for _ in range(turns):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never became true")


def champion(revision: int = 1, version: int = 1, salt: str = "salt", **more: Any) -> Split:
    return Split("trips", revision, salt, (Arm("champion", version, 1.0),), **more)


def canary(revision: int = 2, weight: float = 0.5, **more: Any) -> Split:
    arms = (Arm("candidate", 2, weight), Arm("champion", 1, 1.0 - weight))
    return Split("trips", revision, "salt", arms, **more)


def asked(subject: str = "N725MQ", **more: Any) -> dict[str, Any]:
    return {"subject": subject, "features": FEATURES, **more}


BODY = json.dumps(asked()).encode()
