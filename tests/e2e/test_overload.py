"""Three times what one replica can answer: what it takes it answers in time, the rest it refuses at once.

The load is that of `benchmarks/overload.py`, on a Windvane without control. So nothing seals its log, and
the tests that look into that come before those that write millions of records.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_connection, socket

import httpx
import psutil
import pytest

from benchmarks import overload
from benchmarks.generator import Generator
from benchmarks.offer import request
from benchmarks.overload import HURRIED, SLO_MS, SPEC, crowd, flooded, instances
from benchmarks.world import World
from tests.e2e.conftest import wait_for
from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.decision_log.read.query import Query

MANY = 800  # rows in a request of JSON
GOODPUT = 0.9  # of the peak, in a flood
CLIENTS = 30  # fewer than may be in a replica at a time


@pytest.fixture(scope="module")
def served(alone: World) -> World:
    """One replica that answers with the bench model."""
    alone.serve(SPEC)
    return alone


@pytest.fixture(scope="module")
def hurried(alone: World) -> World:
    """The same with the usual promise, an answer in 50 ms, from here on."""
    alone.serve(HURRIED)
    return alone


@pytest.fixture(scope="module")
def patient(hurried: World) -> World:
    """The first promise again, for the tests that come last."""
    hurried.serve(SPEC)
    return hurried


def connection(served: World) -> socket:
    return create_connection(("127.0.0.1", served.settings.port))


@contextmanager
def suspended(process: psutil.Process) -> Iterator[None]:
    """It stands still while the block runs."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def decide(served: World, sent: bytes, timeout: str) -> httpx.Response:
    headers = served.headers | {"content-type": "application/json", "x-request-timeout-seconds": timeout}
    return httpx.post(f"{served.url}{served.path}/decide", content=sent, headers=headers, timeout=60.0, trust_env=False)


def decided(served: World, *subjects: str) -> int:
    """Rows in the decision log about these subjects."""
    place = AuditPaths(served.settings)
    hashes = ", ".join(f"'{place.vault().hash(subject)}'" for subject in subjects)
    query = Query(place.logs / SPEC.name, SPEC.features)
    return int(query.sql(f"select count(*) as n from decisions where subject in ({hashes})")["n"][0].as_py())


def test_a_deadline_that_cannot_be_kept_is_not_decided_and_one_that_is_no_number_is_explained(served: World) -> None:
    def refused() -> bool:
        return decide(served, instances("late", MANY), "0.0001").status_code in (429, 504)

    wait_for("an answer of ours", refused)  # until HAProxy knows a new replica, Serve's proxy stands in: it says 408
    wrong = decide(served, instances("wrong", 1), "soon")
    assert wrong.status_code == 422
    assert "x-request-timeout-seconds" in wrong.json()["detail"]
    assert decide(served, instances("right", MANY), "60").status_code == 200
    assert (decided(served, "late"), decided(served, "wrong"), decided(served, "right")) == (0, 0, MANY)


def test_clients_that_go_away_are_not_scored(served: World) -> None:
    """They ask while the replica stands still, and all but the first are gone when it goes on."""
    with ExitStack() as staying:
        first = staying.enter_context(connection(served))
        with suspended(served.replica()), ExitStack() as leaving:
            for place in range(CLIENTS):
                client = leaving.enter_context(connection(served)) if place else first
                sent = instances(f"gone-{place}" if place else "stayed", MANY)
                lines = [*served.header_lines, "x-request-timeout-seconds: 60"]
                client.sendall(request(f"{served.path}/decide", "localhost", sent, lines))
        assert first.recv(12) == b"HTTP/1.1 200"
    wait_for("an answer to who comes last", lambda: decide(served, instances("last", 1), "60").status_code == 200)
    assert decided(served, "stayed") == MANY
    assert decided(served, *(f"gone-{place}" for place in range(1, CLIENTS))) < 0.5 * (CLIENTS - 1) * MANY


def test_callers_that_stall_in_their_bodies_keep_nobody_out(hurried: World) -> None:
    """More of them than may be in a replica at a time."""
    sent = instances("stalled", 1)
    whole = request(f"{hurried.path}/decide", "localhost", sent, hurried.header_lines)
    with ExitStack() as leaving:
        for _ in range(100):
            leaving.enter_context(connection(hurried)).sendall(whole[: -len(sent) // 2])
        assert decide(hurried, instances("behind them", 1), "5").status_code == 200
    assert decided(hurried, "stalled") == 0


@pytest.mark.timeout(300)
def test_a_crowd_that_asks_again_at_once_for_single_rows_leaves_the_replica_working(
    hurried: World, tmp_path: Path
) -> None:
    """Refusing costs Python nearly as much as answering: when it did the refusing, such a crowd got only that."""
    bodies = overload.single(tmp_path / "single.ndjson")
    Generator(hurried, bodies, 3.0, "--concurrency", "32").total()
    peak = crowd(hurried, bodies, 32)

    many = crowd(hurried, bodies, 300)

    seen = f"{many.rate:.0f} good answers a second, of 32 callers {peak.rate:.0f}; {many.statuses}"
    assert set(many.statuses) <= {200, 429, 503}, seen
    assert many.without_retry_after == 0, seen
    assert many.rate >= 0.25 * peak.rate, seen  # the crowd itself takes a core, and HAProxy what refusing it takes


@pytest.mark.timeout(600)
def test_at_three_times_its_capacity_what_is_taken_is_in_time_and_the_rest_is_refused_at_once(
    patient: World, tmp_path: Path
) -> None:
    served = patient
    bodies = overload.large(tmp_path / "large.base64", served)
    usual = Generator(served, bodies, 5.0, "--whole", "--concurrency", "8").total()
    # A first flood fills the allocator's pools, by 65 MB here; four more after it added 6.
    Generator(served, bodies, 5.0, "--whole", "--rate", str(3.0 * usual.rate)).total()
    before = served.replica().memory_info().rss  # of a replica that has had as much to do as it can
    peak, flood = flooded(served, bodies, GOODPUT)
    assert peak.statuses.keys() == {200}, peak.statuses
    seen = (
        f"{flood.rate:.0f} good answers a second, at the peak {peak.rate:.0f}; p99 {flood.answered.quantile(0.99):.0f} "
        f"ms, refused p99 {flood.refused.quantile(0.99):.0f} ms; {flood.statuses}"
    )
    offered_per_second = sum(flood.statuses.values()) / flood.seconds
    assert offered_per_second > 2.7 * peak.rate, f"the generator could not keep up: {seen}"
    assert set(flood.statuses) <= {200, 429, 503}, seen
    assert flood.without_retry_after == 0, seen
    assert flood.answered.quantile(0.99) <= SLO_MS, seen
    assert flood.rate >= GOODPUT * peak.rate, seen
    assert flood.refused.quantile(0.99) <= SLO_MS / 2.0, seen  # sooner than a usual answer in this queue
    assert served.replica().memory_info().rss <= 1.1 * before, seen

    after = Generator(served, bodies, 3.0, "--whole", "--concurrency", "1").total()
    assert set(after.statuses) == {200}, after.statuses
