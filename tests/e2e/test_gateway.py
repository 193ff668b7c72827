"""The Gateway on a real Ray with HAProxy, without the control app: the test itself publishes the splits."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from benchmarks.world import World
from tests.e2e.conftest import wait_for
from tests.worlds.bundles import SPEC, make_bundle
from tests.worlds.gateway.world import DECIDE, OUTCOMES, asked, canary, champion
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Decision, Outcome, Record, Shadow
from windvane.cluster.errors import Unavailable
from windvane.cluster.host.run_folder import run_folder
from windvane.cluster.host.secret_files import bearer
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.cluster.registry import Registration
from windvane.cluster.runtime import head_record, ray_head
from windvane.cluster.sql_store import SqlStore
from windvane.cluster.store import DECLARATION, Shelf
from windvane.configs.settings import Settings
from windvane.serve_apps.sync.split_subscriber import encode_split
from windvane.serve_apps.traffic.router import SPLIT, Split

READY = "/v2/models/trips/ready"
DURABLE = SPEC.model_copy(update={"serving": SPEC.serving.model_copy(update={"max_replicas": 1})})


class Operator:
    """Serve and the Switchboard from outside: a driver in its own process."""

    def __init__(self, settings: Settings, head: head_record.Head) -> None:
        arguments = (settings.model_dump_json(), head.address, head.dashboard_url)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.operator", *arguments],
            env=ray_head.environment(settings, run_folder(Path(settings.home))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, verb: str, argument: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([verb, argument]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the operator ended with {self._process.wait(10.0)}"
        reply = json.loads(line)
        if "unavailable" in reply:
            raise Unavailable(reply["unavailable"])
        return reply["answer"]

    def publish(self, split: Split) -> None:
        self.ask("publish", encode_split(split))

    def in_force(self, model: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("in_force", model)
        return found

    def __enter__(self) -> "Operator":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)  # its input ends, and so does it


@dataclass
class Served:
    """A deployed model, and both hands on its split."""

    settings: Settings
    operator: Operator
    http: httpx.Client = field(repr=False)

    def publish(self, split: Split) -> None:
        """As the rollout controller does: the store first."""
        with closing(SqlStore(self.settings.store_url)) as store:
            shelf = Shelf(store, SPLIT, Split)
            shelf.save(split.model, split, shelf.load(split.model)[1])
        self.operator.publish(split)

    def next_revision(self) -> int:
        with closing(SqlStore(self.settings.store_url)) as store:
            split, _ = Shelf(store, SPLIT, Split).load("trips")
        return split.revision + 1 if split else 1

    def everywhere(self, revision: int) -> bool:
        reports = self.operator.in_force("trips")
        return bool(reports) and all(report["in_force"] == revision for report in reports.values())

    def log(self) -> list[Record]:
        return Tail(Path(self.settings.home) / "log" / "trips").read(limit=10_000_000)

    def processes(self, title: str) -> list[psutil.Process]:
        """Ours with that title; other clusters on this machine may have some like them."""
        found = [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(title in argument for argument in process.info["cmdline"] or [])
        ]
        return [process for process in found if process.environ().get("WINDVANE_HOME") == self.settings.home]

    def replica_processes(self) -> list[psutil.Process]:
        return self.processes("ServeReplica:trips")

    def ready(self) -> bool:
        try:
            return self.http.get(READY).status_code == 200
        except httpx.HTTPError:
            return False


def fill(settings: Settings, folder: Path) -> None:
    """Two versions of `trips` in the registry, its declaration and the split of the first in the store."""
    registry = MlflowRegistry(settings.mlflow_uri, settings.artifacts)
    for number in (1, 2):
        registration = Registration("trips", "ops@example.org", "first", "champion", None, None, {}, {}, {})
        assert registry.register(registration, make_bundle(folder, number)).number == number
    with closing(SqlStore(settings.store_url)) as store:
        store.put(DECLARATION, "trips", DURABLE.model_dump_json().encode(), 0)
        Shelf(store, SPLIT, Split).save("trips", champion(), 0)


@pytest.fixture(scope="module")
def served(alone: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = alone.settings
    fill(settings, tmp_path_factory.mktemp("gateway"))
    http = httpx.Client(base_url=alone.url, headers=alone.headers, timeout=30.0, trust_env=False)
    with Operator(settings, alone.head) as operator, http:
        operator.publish(champion())
        operator.ask("deploy", "trips")
        operator.ask("running", "trips")
        here = Served(settings, operator, http)
        wait_for("the gateway", here.ready)
        yield here
        operator.ask("remove", "trips")  # mostly gone before, by the last test


def test_a_decision_is_answered_over_http_and_found_in_the_log(served: Served) -> None:
    reply = served.http.post(DECIDE, json=asked(explain=True))
    assert reply.status_code == 200
    decided = reply.json()
    assert (decided["model"], decided["version"], decided["arm"]) == ("trips", 1, "champion")
    assert decided["explanation"]["top_features"]
    outcome = {"decision_id": decided["decision_id"], "label": True}
    assert served.http.post(OUTCOMES, json=outcome).json() == {"accepted": 1}
    records = served.log()
    assert decided["decision_id"] in [each.decision_id for each in records if isinstance(each, Decision)]
    assert decided["decision_id"] in [each.decision_id for each in records if isinstance(each, Outcome)]


def test_errors_reach_the_caller_through_haproxy_as_they_are(served: Served) -> None:
    wrong = served.http.post(DECIDE, content=b'{"subject": Infinity}', headers={"content-type": "application/json"})
    assert (wrong.status_code, wrong.headers["content-type"]) == (400, "application/problem+json")
    assert served.http.get(DECIDE).status_code == 405
    assert "nothing" in served.http.get("/v2/models/trips/nothing").json()["error"]  # in the protocol's own form
    large = served.http.post(DECIDE, content=b" " * 3_000_000, headers={"content-type": "application/json"})
    assert large.status_code == 413
    assert served.http.post(DECIDE, json=asked()).status_code == 200


def test_one_bad_instance_does_not_refuse_the_others_and_head_is_answered(served: Served) -> None:
    bad = asked("b") | {"features": {}}
    reply = served.http.post(DECIDE, json={"instances": [asked("a"), bad, asked("c")]})
    assert (reply.status_code, reply.json()["refused"]) == (200, 1)
    assert ["problem" in each for each in reply.json()["decisions"]] == [False, True, False]
    head, whole = served.http.head(READY), served.http.get(READY)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole.content)))
    assert served.http.options(DECIDE).headers["allow"] == "POST, OPTIONS"


def test_a_body_that_never_comes_whole_is_no_decision(served: Served) -> None:
    before = len(served.log())
    with socket.create_connection(("127.0.0.1", served.settings.port), timeout=10.0) as line:
        shown = served.http.headers["authorization"]
        head = f"POST {DECIDE} HTTP/1.1\r\nHost: x\r\nAuthorization: {shown}\r\nContent-Length: 100\r\n\r\n"
        line.sendall(head.encode() + b"{}")
    assert served.http.post(DECIDE, json=asked()).status_code == 200
    assert len(served.log()) == before + 1


def test_a_split_is_in_force_everywhere_in_milliseconds(served: Served) -> None:
    first = served.next_revision()
    served.publish(canary(revision=first, weight=1.0, shadows=(2, 1)))
    wait_for("the canary", lambda: served.everywhere(first))  # version 2 is loaded now
    took_ms = []
    for revision in range(first + 1, first + 21):
        split = champion(revision=revision, warm=(2,)) if revision % 2 else canary(revision=revision, weight=1.0)
        start = time.perf_counter()
        served.operator.publish(split)
        while not served.everywhere(revision):
            assert time.perf_counter() - start < 5.0
        took_ms.append(1000.0 * (time.perf_counter() - start))
        assert served.http.post(DECIDE, json=asked()).json()["version"] == (1 if revision % 2 else 2)
    assert sorted(took_ms)[10] < 250.0, took_ms  # milliseconds; a busy machine's worst is not the design's
    served.publish(champion(revision=first + 21, warm=(2,)))
    wait_for("the champion", lambda: served.everywhere(first + 21))
    assert [each for each in served.log() if isinstance(each, Shadow)] == []


def test_shadows_are_logged_after_the_reply(served: Served) -> None:
    revision = served.next_revision()
    served.publish(champion(revision=revision, shadows=(2,)))
    wait_for("the shadow", lambda: served.everywhere(revision))
    decided = served.http.post(DECIDE, json=asked()).json()

    def scored() -> bool:
        shadows = [each for each in served.log() if isinstance(each, Shadow)]
        return any(decided["decision_id"] in each.decision_ids for each in shadows)

    wait_for("the shadow's score", scored, 10.0)


@pytest.fixture
def book(served: Served) -> Iterator[KeyBook]:
    with closing(SqlStore(served.settings.store_url)) as store:
        yield KeyBook(store)


def test_a_revoked_key_is_refused_within_a_second_though_nobody_tells(served: Served, book: KeyBook) -> None:
    """No control runs here, and the Switchboard is stopped: the store is all there is."""
    key, secret = book.create(KeyOrder("ann", ("client",)), "test", datetime.now(UTC))
    shown = {"authorization": f"Bearer {secret}"}
    [process] = served.processes("ray::Switchboard")
    process.suspend()
    try:
        wait_for("the key", lambda: served.http.post(DECIDE, json=asked(), headers=shown).status_code == 200, 5.0)
        took = []
        for _ in range(3):
            key, secret = book.create(KeyOrder("ann", ("client",)), "test", datetime.now(UTC))
            shown = {"authorization": f"Bearer {secret}"}
            wait_for("the key", lambda: served.http.post(DECIDE, json=asked(), headers=shown).status_code == 200, 5.0)  # noqa: B023
            book.revoke(key.key_id, "test", "lost", datetime.now(UTC))
            start = time.perf_counter()
            while served.http.post(DECIDE, json=asked(), headers=shown).status_code == 200:
                assert time.perf_counter() - start < 5.0
            took.append(time.perf_counter() - start)
    finally:
        process.resume()
    assert sorted(took)[1] < 1.5, took  # a second, and what a busy machine adds; while it is silent


def test_a_lost_switchboard_stops_nobody_and_comes_back_with_the_last_split(served: Served) -> None:
    [process] = served.processes("ray::Switchboard")
    process.kill()
    process.wait(10.0)
    for _ in range(20):
        assert served.http.post(DECIDE, json=asked()).status_code == 200
    revision = served.next_revision()

    def published() -> bool:
        try:
            served.publish(canary(revision=revision, weight=1.0))
        except Unavailable:
            return False
        return True

    wait_for("the Switchboard", published, 60.0)
    wait_for("the replica on the new split", lambda: served.everywhere(revision), 30.0)
    assert served.http.post(DECIDE, json=asked()).json()["version"] == 2


def test_kill_9_of_a_replica_loses_no_acknowledged_decision(served: Served) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()

    def traffic() -> None:
        with httpx.Client(base_url=served.http.base_url, timeout=5.0, trust_env=False) as http:
            http.headers.update(bearer(served.settings.key_file))
            while not stop.is_set():
                try:
                    reply = http.post(DECIDE, json=asked())
                except httpx.HTTPError:
                    continue
                if reply.status_code == 200:
                    acknowledged.append(reply.json()["decision_id"])

    threads = [threading.Thread(target=traffic) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_for("traffic", lambda: len(acknowledged) > 200, 30.0)
        victims = served.replica_processes()
        assert victims
        victims[0].kill()
        victims[0].wait(10.0)
        before = len(acknowledged)
        wait_for("a new replica that answers", lambda: len(acknowledged) > before + 50, 90.0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert victims[0].pid not in [process.pid for process in served.replica_processes()]
    logged = {each.decision_id for each in served.log() if isinstance(each, Decision)}
    assert [each for each in acknowledged if each not in logged] == []


def test_taking_the_model_down_answers_who_waits_and_closes_the_log(served: Served) -> None:
    decided = served.http.post(DECIDE, json=asked()).json()
    served.operator.ask("remove", "trips")
    wait_for("the replicas' end", lambda: not served.replica_processes(), 60.0)
    assert decided["decision_id"] in [each.decision_id for each in served.log() if isinstance(each, Decision)]
    wait_for("every replica to be forgotten", lambda: served.operator.in_force("trips") == {}, 10.0)
