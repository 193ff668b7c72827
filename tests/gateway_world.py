"""One Gateway without Ray, a disk or a clock: real versions behind the real door, fakes where the process would end."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cluster.callers.authenticator import Authenticator
from cluster.callers.key_ring import KeySnapshot
from cluster.cedar_policy import CedarPolicy
from cluster.decision_log.record import Decision, Outcome, Record, Shadow
from cluster.errors import Unavailable
from cluster.mandate import mandate_of
from cluster.policy import Policy
from configs.schema import ModelSpec
from serve_apps.bulletins import Bulletins, News, Place
from serve_apps.decider import Decider
from serve_apps.door import Door
from serve_apps.entrance import Entrance
from serve_apps.gate import Gate
from serve_apps.roster import Report, Roster
from serve_apps.router import Arm, Split
from serve_apps.scorer import LoadedVersion
from serve_apps.shadows import Shadows
from serve_apps.turned_away import TurnedAway
from tests.bundles import SPEC
from tests.callers import TESTER, knowing
from tests.policies import PACKAGED

NOW = 1_800_000_000.0
FEATURES = {"temp": 3.5, "distance": 1200.0, "stops": 1, "night": True, "origin": "JFK"}
DECIDE, OUTCOMES = "/v2/models/trips/decide", "/v2/models/trips/outcomes"
T = TypeVar("T")


class FakeLog:
    """A decision log in memory; set `refusal` and commits fail, `holding` and they wait for `release`."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.refusal: str | None = None
        self.holding = False
        self.alone: list[bool] = []  # as each commit was told
        self._held: list[asyncio.Future[None]] = []

    def append(self, record: Record) -> None:
        self.records.append(record)

    def commit(self, *, alone: bool = False) -> "asyncio.Future[None]":
        self.alone.append(alone)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.holding:
            self._held.append(future)
        elif self.refusal:
            future.set_exception(Unavailable(self.refusal))
        else:
            future.set_result(None)
        return future

    def release(self) -> None:
        self.holding = False
        for future in self._held:
            future.set_result(None)

    def of(self, kind: type[T]) -> list[T]:
        return [record for record in self.records if isinstance(record, kind)]


class FakeCounts:
    """Remembers what was counted, as tuples."""

    def __init__(self) -> None:
        self.added: list[tuple[int, int, str, int]] = []  # version, revision, arm, rows
        self.latencies_ms: list[float] = []
        self.errors: list[tuple[int, int, int, str]] = []
        self.shadows: list[tuple[int, int, int]] = []
        self.drops: list[tuple[int, int]] = []
        self.denials: list[str] = []  # categories

    def add(self, version, revision, arm, rows, scores, event_times, actions, latencies_ms) -> None:
        assert len(rows) == len(scores) == len(event_times) == len(actions) == len(latencies_ms)
        self.added.append((version, revision, arm, len(rows)))
        self.latencies_ms += latencies_ms

    def error(self, version: int, revision: int, n: int = 1, arm: str = "") -> None:
        self.errors.append((version, revision, n, arm))

    def shadow(self, version: int, revision: int, scores: np.ndarray) -> None:
        self.shadows.append((version, revision, len(scores)))

    def dropped(self, version: int, n: int = 1) -> None:
        self.drops.append((version, n))

    def denied(self, category: str, n: int = 1) -> None:
        self.denials += [category] * n


class BrokenVersion:
    """A version that was loaded and cannot score."""

    names: tuple[str, ...] = ()

    def __init__(self, number: int) -> None:
        self.number = number

    def score(self, records: Sequence[Sequence[object]], block: object = None) -> None:
        raise Unavailable(f"Version {self.number} cannot score: it is broken")


class FakeFeed:
    """A Switchboard of one replica's own: `published` splits come one a poll, then nothing until `gone` or more."""

    def __init__(self, *published: Split | Exception) -> None:
        self.published = list(published)
        self.reports: list[Report] = []
        self.polls: list[int] = []
        self.left = False

    async def wait(self, known_revision: int, report: Report) -> Split | None:
        self.polls.append(known_revision)
        self.reports.append(report)
        await asyncio.sleep(0)
        if not self.published:
            await asyncio.get_running_loop().create_future()
        found = self.published.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def keys(self, known_revision: int) -> tuple[KeySnapshot | None, int]:
        return await asyncio.get_running_loop().create_future()

    async def report(self, report: Report) -> None:
        self.reports.append(report)

    async def leave(self) -> None:
        self.left = True


class FakeBulletins:
    """Bulletins with a reader of their own, in the same process."""

    def __init__(self, board: Bulletins | None = None) -> None:
        self.board = board or Bulletins()

    async def read(self, topics: tuple[str, ...], place: Place) -> News | None:
        return await self.board.read("r1", topics, place)

    async def leave(self) -> None:
        self.board.leave("r1")


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP."""

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
    ) -> None:
        self.loop = asyncio.new_event_loop()
        self.log, self.counts, self.ticks = FakeLog(), FakeCounts(), 0.0
        self.roster = Roster(lambda number: versions[number], retry_seconds=0.0)
        self.shadows = Shadows(self.log, self.counts, lambda: NOW)
        self.policies = SetInForce(PACKAGED_POLICY)
        self.consents: dict[tuple[str, str], bool] = {}
        self.is_fresh = True
        self.gate = Gate(mandate_of(spec), self.policies, self, lambda: self.is_fresh)
        self.decider = Decider(
            *(spec, self.roster, self.log, self.counts, self.shadows, self.gate, self.loop),
            lambda: NOW,
            lambda: self.ticks,
        )
        self.turned_away: list[str] = []
        self.entrance = Entrance(spec.name, authenticator, TurnedAway(self.turned_away.append, lambda: 0.0))
        self.hooks: list[str] = []
        self.door = Door(
            spec,
            self.entrance,
            self.roster,
            self.decider,
            self.gate,
            self.log,
            self._hook("start"),
            self._hook("stop"),
            lambda: NOW,
            lambda: self.ticks,
        )
        if split is not None:
            self.take(split)

    def of(self, subject: str, purpose: str) -> bool | None:
        """What subjects agreed to, as the gate asks for it."""
        return self.consents.get((subject, purpose))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def take(self, split: Split) -> None:
        async def arrive() -> None:
            self.roster.take(split)
            await settled(lambda: self.roster.in_force is not None and self.roster.in_force.split == split)

        self.run(arrive())

    def ask(self, path: str, body: object = b"", method: str = "POST", **headers: str) -> Reply:
        return self.run(self.send(path, body, method, **headers))

    async def send(self, path: str, body: object = b"", method: str = "POST", **headers: str) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await call(self.door, method, path, [raw], {"content-length": str(len(raw)), **named(headers)})

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
) -> Iterator[World]:
    """Who sends no key is the tester, unless another authenticator says otherwise."""
    world = World(versions, split, home, spec, authenticator or knowing(anybody=TESTER))
    try:
        yield world
    finally:
        world.run(world.roster.close())
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
