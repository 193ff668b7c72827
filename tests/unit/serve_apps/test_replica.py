import asyncio
import errno
import json
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.worlds.bundles import SPEC, make_bundle
from tests.worlds.callers.keys import MADE, TESTER
from tests.worlds.gateway.fakes import FakeLines
from tests.worlds.gateway.world import DECIDE, Reply, asked, call, canary, champion, settled
from tests.worlds.log.vault import open_vault, subject_keys
from tests.worlds.policies import PACKAGED
from windvane.backtest.memory import MemoryRegistry, MemoryStore
from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Act, Decision, Shadow
from windvane.cluster.decision_log.vault.personal import open_personal
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.vault.subject_keys import Erasure
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.decision_log.write.limits import WriterLimits
from windvane.cluster.decision_log.write.rolling import RollingSegments
from windvane.cluster.decision_log.write.writer import Writer
from windvane.cluster.errors import NotFound, Unavailable
from windvane.cluster.policies.cedar_rules import compile_policies
from windvane.cluster.policies.policy_library import PolicyLibrary
from windvane.cluster.registry import Registration
from windvane.cluster.storage.storage import Storage
from windvane.cluster.store import Shelf
from windvane.monitoring.counts.counts import Merged, Tally
from windvane.monitoring.counts.profile import Profile
from windvane.serve_apps import replica as replica_module
from windvane.serve_apps.endpoints import ingress
from windvane.serve_apps.pipeline.shadows import Shadows
from windvane.serve_apps.replica import Replica
from windvane.serve_apps.sync.erasures import Erasures
from windvane.serve_apps.sync.replica_lines import ReplicaLines
from windvane.serve_apps.sync.report_sender import ReportSender
from windvane.serve_apps.sync.shipping import Shipping
from windvane.serve_apps.sync.split_subscriber import encode_split
from windvane.serve_apps.sync.topic_reader import TopicReader
from windvane.serve_apps.traffic.loaded_versions import LoadedReport
from windvane.serve_apps.traffic.router import SPLIT, Split, bucket

READY = "/v2/models/trips/ready"


class Line:
    """A monitor that adds up what comes."""

    def __init__(self) -> None:
        self.merged = Merged("trips")

    async def ship(self, payload: bytes) -> None:
        self.merged.add(payload)


@pytest.fixture(autouse=True)
def _collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that runs the tests keeps its own: a replica sets it for its own process."""
    calls = dict.fromkeys(("collect", "freeze", "set_threshold"), lambda *_: None)
    monkeypatch.setattr(replica_module, "gc", SimpleNamespace(**calls))


class Place:
    """Surroundings of a replica: a store, a registry with two versions, a Switchboard, a monitor, a home."""

    def __init__(self, home: Path, bundles: Path) -> None:
        self.home, self.store, self.line, self.lines = home, MemoryStore(), Line(), FakeLines()
        self.registry = MemoryRegistry(root=home / "registry")
        for number in (1, 2):
            registration = Registration("trips", "ops", "first", "champion", None, None, {}, {}, {})
            self.registry.register(registration, make_bundle(bundles, number))
        PolicyLibrary(self.store, compile_policies).install(PACKAGED, "windvane", "first start", datetime.now(UTC))

    def publish(self, split: Split) -> None:
        Shelf(self.store, SPLIT, Split).save("trips", split, 0)

    def play(self, scenario: Callable[[Replica], Coroutine[Any, Any, None]], **options: Any) -> None:
        async def act() -> None:
            keys, anybody = subject_keys(self.home), Authenticator(None, TESTER)
            storage = Storage(self.home, self.store, self.registry, open_vault(self.home, keys))
            replica = Replica(SPEC, "r1", storage, ReplicaLines(self.lines, self.line), anybody, **options)
            try:
                await replica.start()
                await scenario(replica)
            finally:
                await replica.stop()
                keys.close()

        asyncio.run(act())

    def records(self) -> list[Any]:
        return Tail(self.home / "log" / "trips").read()


async def ask(replica: Replica, path: str, body: bytes = b"", method: str = "POST") -> Reply:
    return await call(replica.http_app, method, path, [body], {})


async def until_ready(replica: Replica, status: int = 200) -> None:
    while (await ask(replica, READY, method="GET")).status != status:
        await asyncio.sleep(0.001)


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path, tmp_path_factory.mktemp("bundles"))


def test_a_replica_serves_the_stored_split_without_any_switchboard(place: Place) -> None:
    place.publish(canary(weight=0.5, shadows=(1, 2)))

    async def scenario(replica: Replica) -> None:
        assert (await ask(replica, READY, method="GET")).status == 200
        for subject in range(10):
            reply = await ask(
                replica,
                DECIDE,
                json.dumps(asked(str(subject), explain=True)).encode(),
            )
            assert reply.status == 200, reply.json

    place.play(scenario)
    records = place.records()
    assert sum(isinstance(record, Decision) for record in records) == 10
    assert sum(len(record.decision_ids) for record in records if isinstance(record, Shadow)) == 10
    assert sum(counts.decisions for counts in place.line.merged.traffic.values()) == 10
    assert {window.features is not None for window in place.line.merged.windows.values()} == {True}
    assert place.lines.left == ["splits", "policies"]


def test_a_replica_whose_writer_died_is_not_ready_and_asks_to_be_replaced(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_segments: RollingSegments, _content: bytes) -> None:
        raise SystemExit

    place.publish(champion())

    async def scenario(replica: Replica) -> None:
        replica.check_health()
        monkeypatch.setattr("threading.excepthook", lambda _: None)
        [writing] = [each for each in threading.enumerate() if each.name == "decision-log-gateway-r1"]
        monkeypatch.setattr(RollingSegments, "write", die)
        reply = await ask(replica, DECIDE, json.dumps(asked()).encode())
        assert (reply.status, "writer died" in reply.json["detail"]) == (503, True)
        await asyncio.to_thread(writing.join)
        reply = await ask(replica, READY, method="GET")
        assert (reply.status, "restart this replica" in reply.json["error"]) == (503, True)
        with pytest.raises(Unavailable, match="restart this replica"):
            replica.check_health()
        await place.lines.switchboard.publish(encode_split(champion(revision=2)))
        await settled(lambda: place.lines.reports[-1] == LoadedReport(0, (), died))

    died = "the decision log's writer died: restart this replica"
    place.play(scenario)


def test_a_replica_whose_disk_is_full_is_not_ready_until_there_is_room_and_asks_for_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place.publish(champion())

    async def scenario(replica: Replica) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(disk, "write_whole", full)
            reply = await ask(replica, DECIDE, json.dumps(asked()).encode())
            assert (reply.status, "make room" in reply.json["detail"]) == (503, True)
            await until_ready(replica, 503)
            replica.check_health()
        await until_ready(replica)
        assert (await ask(replica, DECIDE, json.dumps(asked()).encode())).status == 200

    place.play(scenario, writer=partial(Writer, limits=WriterLimits(probe_seconds=0.001)))


def test_whatever_ending_meets_the_log_is_closed_and_all_that_was_answered_is_in_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def boom(_: object) -> None:
        raise LookupError("nobody foresaw this")

    async def hang(_: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(replica_module, "STEP_SECONDS", 0.2)
    place.publish(champion())

    async def scenario(replica: Replica) -> None:
        assert (await ask(replica, DECIDE, json.dumps(asked()).encode())).status == 200
        for part, verb in ((Erasures, "stop"), (TopicReader, "stop"), (Shadows, "drain"), (ReportSender, "stop")):
            monkeypatch.setattr(part, verb, boom)
        monkeypatch.setattr(Shipping, "stop", hang)
        await replica.stop()
        with pytest.raises(Unavailable, match="closed here"):
            replica.check_health()

    place.play(scenario)
    assert sum(isinstance(record, Decision) for record in place.records()) == 1
    assert "Ending shadows of trips was given up" in caplog.text
    assert "Ending shipping of trips was given up" in caplog.text


def test_the_log_names_subjects_by_their_hash_and_assigns_by_it(place: Place) -> None:
    place.publish(canary(weight=0.5))

    async def scenario(replica: Replica) -> None:
        body = {"instances": [asked(str(subject)) for subject in range(16)]}
        assert (await ask(replica, DECIDE, json.dumps(body).encode())).status == 200

    place.play(scenario)
    decisions = [record for record in place.records() if isinstance(record, Decision)]
    vault = open_vault(place.home)
    assert {record.subject for record in decisions} == {vault.hash(str(subject)) for subject in range(16)}
    for record in decisions:  # recomputed from the log and the split, without knowing the subject
        assert record.unit_hash == bucket("salt", record.subject)
        assert record.arm == ("candidate" if record.unit_hash < 1 << 31 else "champion")
        assert record.personal is not None
        assert open_personal(vault.reveal(record.subject, record.decision_id, record.personal)).subject in map(
            str, range(16)
        )


def test_a_replica_forgets_the_answer_about_a_subject_that_was_erased(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "Erasures", partial(Erasures, seconds=0.0))
    place.publish(champion())
    looks: list[Any] = []
    forget = Vault.forget

    def counted(vault: Vault, erasures: Sequence[Erasure]) -> None:
        forget(vault, erasures)
        looks.append(erasures)

    monkeypatch.setattr(Vault, "forget", counted)

    async def scenario(replica: Replica) -> None:
        body = json.dumps(asked("Ana", id="order-1")).encode()
        for _ in range(2):
            assert (await ask(replica, DECIDE, body)).status == 200
        open_vault(place.home).erase("Ana", 1.0)
        looks.clear()
        await settled(lambda: any(looks))
        assert (await ask(replica, DECIDE, body)).status == 200

    place.play(scenario)
    decisions = [record for record in place.records() if isinstance(record, Decision)]
    assert [record.decision_id == decisions[0].decision_id for record in decisions] == [True, True]
    first, second = (
        open_vault(place.home).reveal_all([(d.subject, d.decision_id, d.personal or b"")]) for d in decisions
    )
    assert first == [None]  # under a key that is destroyed
    assert second != [None]  # who returns after an erasure is somebody new


@pytest.mark.parametrize("verb", ["find", "add"])
def test_without_the_vault_nothing_is_answered(place: Place, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.publish(champion())

    def away(*_: object) -> None:
        raise Unavailable("the vault does not answer")

    async def scenario(replica: Replica) -> None:
        body = json.dumps(asked("Ana")).encode()
        with monkeypatch.context() as patch:
            patch.setattr(SqliteSubjectKeys, verb, away)
            assert (await ask(replica, DECIDE, body)).status == 503
        assert (await ask(replica, DECIDE, body)).status == 200

    place.play(scenario)
    assert sum(isinstance(record, Decision) for record in place.records()) == 1


def test_a_replica_without_a_stored_split_is_ready_once_one_is_published(place: Place) -> None:
    async def scenario(replica: Replica) -> None:
        assert (await ask(replica, READY, method="GET")).status == 503
        await place.lines.switchboard.publish(encode_split(champion()))
        await until_ready(replica)

    place.play(scenario)


def test_a_replica_knows_the_stored_keys_before_it_answers(place: Place) -> None:
    place.publish(champion())
    _, secret = KeyBook(place.store).create(KeyOrder("ann", ("client",), ("loans",)), "up", MADE)

    async def scenario(replica: Replica) -> None:
        for sent, status in (({}, 200), ({"x-api-key": secret}, 403), ({"x-api-key": "wv_nobodys"}, 401)):
            assert (await call(replica.http_app, "GET", READY, [b""], sent)).status == status

    place.play(scenario)
    acts = [record for record in place.records() if isinstance(record, Act)]
    assert [(act.kind, act.who, act.model, act.facts["status"]) for act in acts] == [
        ("refused", "ann", "trips", 403),
        ("refused", "", "trips", 401),
    ]
    assert {act.facts["order"] for act in acts} == {f"GET {READY}"}


def test_a_version_that_is_let_go_leaves_nothing_behind(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Mapping[int, Profile]] = []

    def tally(model: str, profiles: Mapping[int, Profile], window_seconds: float) -> Tally:
        kept.append(profiles)
        return Tally(model, profiles, window_seconds)

    monkeypatch.setattr(replica_module, "Tally", tally)
    place.publish(canary(weight=0.5))

    async def scenario(replica: Replica) -> None:
        await place.lines.switchboard.publish(encode_split(champion(revision=9)))
        routing = champion(revision=9).routing()
        await settled(lambda: LoadedReport(9, (1,), "", 9, routing) in place.lines.reports)
        assert [set(profiles) for profiles in kept] == [{1}]

    place.play(scenario)


def test_from_start_to_stop_a_replica_answers_before_serve_has_seen_the_request(place: Place) -> None:
    place.publish(champion())

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def decide() -> int:
        [middleware] = ingress.middlewares()
        front = middleware.cls(serve, *middleware.args, **middleware.kwargs)
        return (await call(front, "POST", DECIDE, [json.dumps(asked()).encode()], {})).status

    async def scenario(replica: Replica) -> None:
        answering = asyncio.ensure_future(decide())
        await asyncio.sleep(0)
        assert replica.past_serve == 1
        assert (await answering, replica.past_serve) == (200, 0)

    place.play(scenario)
    assert asyncio.run(decide()) == 204  # and after its stop Serve is asked
    assert sum(isinstance(record, Decision) for record in place.records()) == 1


def test_a_split_that_cannot_be_served_fails_the_start(place: Place) -> None:
    place.publish(champion(version=9))

    async def scenario(replica: Replica) -> None:
        raise AssertionError("it started")

    with pytest.raises(NotFound, match="trips has no version 9"):
        place.play(scenario)
