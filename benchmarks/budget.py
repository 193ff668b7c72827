"""Budget of a decision's microseconds, step by step, in one process and without Ray or HTTP.

python -m benchmarks.budget            # the table
python -m benchmarks.budget --explain  # the same with every decision explained
python -m benchmarks.budget --personal 8  # the same with eight of the 24 features declared personal

CPU time of the process (its threads too) per decision, different rows every time. Each step is timed by itself; what
is left of the whole is the loop, the futures and the app. The steps are those of `HttpApp`, over one real log on disk.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import click
import uvloop

from benchmarks import made, model
from benchmarks.policy import FOLDER as POLICIES
from windvane.cluster.callers import api_key
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.caller import ANYBODY, demand_role
from windvane.cluster.callers.key_ring import KeyRing, KeySnapshot
from windvane.cluster.callers.rate import Limit
from windvane.cluster.decision_log.record import Decision
from windvane.cluster.decision_log.vault.file_kms import FileKms
from windvane.cluster.decision_log.vault.personal import Protection
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.decision_log.write.segment import header_for
from windvane.cluster.decision_log.write.writer import Writer
from windvane.cluster.policies.cedar_policy import CedarPolicy
from windvane.cluster.policies.mandate import mandate_of
from windvane.cluster.policies.policy import Policy
from windvane.cluster.policies.policy_set import read_policies
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.arm_key import ArmKey
from windvane.monitoring.counts.counts import Tally
from windvane.monitoring.counts.profile import Profile
from windvane.serve_apps.endpoints.authentication import CLIENTS, Authentication
from windvane.serve_apps.endpoints.data_plane import DataPlane
from windvane.serve_apps.endpoints.http_app import HttpApp
from windvane.serve_apps.endpoints.request_counts import RequestCounts
from windvane.serve_apps.pipeline.decider import Decider, ServedModel
from windvane.serve_apps.pipeline.policy_check import PolicyCheck
from windvane.serve_apps.pipeline.protected_log import ProtectedLog
from windvane.serve_apps.pipeline.shadows import Shadows
from windvane.serve_apps.protocol.decide import Decide
from windvane.serve_apps.traffic.loaded_versions import LoadedVersions
from windvane.serve_apps.traffic.router import Arm, Router, Split
from windvane.serve_apps.versions.loaded_version import load_version
from windvane.serve_apps.versions.predictor import load_predictor
from windvane.serve_apps.versions.thresholds import Thresholds

SHAPES = ((1, 1), (8, 1), (64, 1), (1, 256))  # requests at once, rows of each
SECONDS = 0.4  # of CPU time per figure
Found: TypeAlias = dict[tuple[int, int], dict[str, float]]  # by shape and step
SPLIT = Split("bench", 1, "salt", (Arm("champion", 1, 1.0),))


class Packaged:
    """The packaged policies are in force."""

    def __init__(self) -> None:
        self.policy: Policy = CedarPolicy(read_policies(POLICIES))


class Nobody:
    """Nobody ever said anything."""

    def of(self, *_: str) -> bool | None:
        """None."""
        return None


class Budget:
    """One replica's parts, and the same parts by themselves."""

    def __init__(self, root: Path, loop: asyncio.AbstractEventLoop, spec: ModelSpec) -> None:
        self.spec = spec
        self.version = load_version(1, model.bundle().folder, spec)
        self.profiles = {1: Profile.from_json(model.bundle().profile_path.read_bytes())}
        self.vault = Vault(SqliteSubjectKeys(root / "vault.db"), FileKms(root / "master.key"))
        self.protection = Protection(self.vault, spec.features)
        header = header_for(spec.name, "budget", spec.features, spec.serving.durability)
        self.log = Writer(root, header, loop, write_ahead=self.vault)
        self.loaded_versions = LoadedVersions(lambda _: self.version)
        counts = Tally(spec.name, self.profiles, 86_400.0)
        log, shadows = ProtectedLog(self.log, self.protection), Shadows(self.log, counts)
        self.policy_check = PolicyCheck(mandate_of(spec), Packaged(), Nobody())
        served = ServedModel(spec, self.loaded_versions, self.policy_check)
        decider = Decider(served, log, counts, shadows, loop, unit=self.vault.hash)
        secret = api_key.fresh_secret()
        key = api_key.make(KeyOrder("bench", ("client",), (spec.name,)), secret, "bench", datetime.now(UTC))
        key = replace(key, limit=Limit(1e9, 10**9))  # so that a limit is looked at, and keeps nobody out
        authenticator = Authenticator()
        authenticator.take(KeyRing(KeySnapshot(1, (key,))))
        self.key = f"Bearer {secret}".encode()
        self.authentication = Authentication(spec.name, authenticator)
        data_plane = DataPlane(served, self.authentication, decider, RequestCounts(counts))
        self.http_app = HttpApp(data_plane, self.log, _nothing, _nothing)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As many as clients send."""
        return [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"authorization", self.key)]

    def bodies(self, rows: int) -> list[bytes]:
        """Bodies to send, with a purpose where one is needed."""
        return model.bodies(rows, purpose=model.PURPOSE) if self.spec.purposes else model.bodies(rows)

    async def ask(self, body: bytes) -> None:
        """One request through the endpoint."""
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [*self.headers(), (b"content-length", b"%d" % len(body))]
        path = f"/v2/models/{self.spec.name}/decide"
        await self.http_app({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
        assert sent[0]["status"] == 200, sent[1]["body"]

    async def whole(self, requests: int, rows: int) -> float:
        """CPU seconds per decision with so many requests in flight, each sent again when it is answered."""
        sent, until, decided = cycle(self.bodies(rows)), time.process_time() + 3 * SECONDS, 0

        async def client() -> None:
            nonlocal decided
            while time.process_time() < until:
                await self.ask(next(sent))
                decided += rows

        start = time.process_time()
        await asyncio.gather(*(client() for _ in range(requests)))
        return (time.process_time() - start) / decided

    async def steps(self, requests: int, rows: int, explain: bool) -> dict[str, float]:
        """CPU seconds per decision of each step, for a batch of so many requests."""
        n = requests * rows
        protocol, router, thresholds = Decide(self.spec), Router(SPLIT), Thresholds(self.spec.decision)
        sent = self.bodies(rows)
        bodies = cycle(sent)
        batches = [[protocol.decode(next(bodies), 0.0) for _ in range(requests)] for _ in range(40)]
        questions = [[question for request in batch for question in request.questions] for batch in batches]
        records = [[question.row for question in batch] for batch in questions]
        encoded = [self.version.encoder.rows(batch) for batch in records]
        scored = [self.version.score(batch)[1] for batch in records]
        answered = [made.answers(scores.tolist()) for scores in scored]
        basis = self.policy_check.bases(ANYBODY, questions[0])[0]
        tally = Tally(self.spec.name, self.profiles, 86_400.0)

        def reply(batch: Any) -> None:
            requests_, answers = batch
            for place, request in enumerate(requests_):
                protocol.encode(request, answers[place * rows : (place + 1) * rows])

        def count(batch: Any) -> None:
            rows_, scores = batch
            tally.add(ArmKey(1, 1, "champion"), rows_, scores, scores.tolist(), ["keep"] * n, [0.5] * n)

        timed: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
            "decode": (lambda body: [protocol.decode(body, 0.0) for _ in range(requests)], sent),
            "route": (
                lambda batch: [router.pick(router.bucket(self.vault.hash(question.subject))) for question in batch],
                questions,
            ),
            "encode rows": (self.version.encoder.rows, records),
            "score": (load_predictor(self.version.bundle).probabilities, encoded),
            "policy before": (
                lambda batch: [self.policy_check.bases(ANYBODY, batch[at : at + rows]) for at in range(0, n, rows)],
                questions,
            ),
            "policy after": (
                lambda scores: [self.policy_check.act(basis, "keep", score) for score in scores],
                [scores.tolist() for scores in scored],
            ),
            "rule": (lambda scores: thresholds.rule(scores.tolist()), scored),
            "count": (count, list(zip(encoded, scored, strict=True))),
            "encode reply": (reply, list(zip(batches, answered, strict=True))),
        }
        if explain:
            timed["explain"] = (lambda batch: [tuple(row) for row in self.version.explain(batch).tolist()], encoded)
        explanation = (0.1,) * (1 + model.FEATURES) if explain else None
        both = list(zip(answered, questions, strict=True))
        plain = [made.decisions(given, asked, explanation, basis) for given, asked in both]
        timed["make records"] = (lambda each: made.decisions(each[0], each[1], explanation, basis), both)
        timed["encrypt"] = (self.protection.protect_all, plain)
        found = {name: _cpu(work, given) / n for name, (work, given) in timed.items()}
        found["access"] = await self._access(rows) / rows
        found["log"] = await self._log([self.protection.protect_all(batch) for batch in plain]) / n
        return found

    async def _access(self, rows: int) -> float:
        """CPU seconds a request: who calls, what it may, how fast."""
        start, calls = time.process_time(), 0
        while (spent := time.process_time() - start) < SECONDS:
            for _ in range(100):
                caller = await self.authentication.admit(self.headers())
                self.authentication.demand(caller)
                demand_role(caller, *CLIENTS)
                self.authentication.debit(caller, rows)
            calls += 100
        return spent / calls

    async def _log(self, batches: list[list[Decision]]) -> float:
        """Records framed, chained, written and synced, with the log's thread."""
        given = cycle(batches)
        start, groups = time.process_time(), 0
        while (spent := time.process_time() - start) < SECONDS or not groups:
            batch = next(given)
            self.log.extend(batch)
            await self.log.commit(alone=len(batch) == 1)
            groups += 1
        return spent / groups


async def measure(explain: bool, personal: int = 0) -> Found:
    """Microseconds of CPU per decision by shape, and by step with the whole and the rest."""
    serving = model.SPEC.serving.model_copy(update={"explanations": "always" if explain else "requested"})
    patient = model.SPEC.slo.model_copy(update={"latency_p99_ms": 60_000.0})  # nothing is refused here
    spec = model.SPEC.model_copy(update={"serving": serving, "slo": patient})
    spec = model.about_people(spec, personal) if personal else spec
    found = {}
    with _replica(spec) as budget:
        budget.loaded_versions.take(SPLIT)
        while budget.loaded_versions.in_force is None:
            await asyncio.sleep(0.01)
        for requests, rows in SHAPES:
            await budget.whole(requests, rows)  # warm: what explaining costs is known after it
            steps = await budget.steps(requests, rows, explain)
            whole = await budget.whole(requests, rows)
            row = steps | {"loop, futures, door": whole - sum(steps.values()), "whole": whole}
            found[requests, rows] = {name: 1e6 * seconds for name, seconds in row.items()}
    return found


def table(found: Found) -> str:
    """Findings of `measure`, a line a step."""
    names = list(next(iter(found.values())))
    lines = ["us of CPU per decision   " + "".join(f"{f'{r} x {n} rows':>14}" for r, n in found)]
    return "\n".join(lines + [f"{name:25}" + "".join(f"{row[name]:14.2f}" for row in found.values()) for name in names])


@contextmanager
def _replica(spec: ModelSpec) -> Iterator[Budget]:
    with TemporaryDirectory() as root:
        budget = Budget(Path(root), asyncio.get_running_loop(), spec)
        try:
            yield budget
        finally:
            budget.log.close()


def _cpu(work: Callable[[Any], object], given: Sequence[Any]) -> float:
    """CPU seconds of one call."""
    supply = cycle(given)
    for _ in range(20):
        work(next(supply))
    start, calls = time.process_time(), 0
    while (spent := time.process_time() - start) < SECONDS:
        for _ in range(10):
            work(next(supply))
        calls += 10
    return spent / calls


async def _nothing() -> None:
    pass


@click.command()
@click.option("--explain", is_flag=True, help="Explain every decision.")
@click.option("--personal", default=0, help="How many features are declared personal.")
def main(explain: bool, personal: int) -> None:
    """Print the table."""
    click.echo(table(uvloop.run(measure(explain, personal))))


if __name__ == "__main__":
    main()
