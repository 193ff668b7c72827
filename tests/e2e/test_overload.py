"""Three times what one replica can answer: what it takes it answers in time, the rest it refuses at once.

On a Windvane of its own without control: monitors and the log's sealer follow what is decided, and on a small machine
their share of it changes from minute to minute, which would be measured too.
"""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from socket import create_connection, socket

import httpx
import msgspec
import psutil
import pytest

from benchmarks import dialects, model
from benchmarks.offer import request
from benchmarks.offered import Tally
from benchmarks.world import World, world
from cluster.decision_log.query import Query
from configs.schema import ModelSpec
from tests.e2e.conftest import wait_for

SLO_MS = 800.0
ROWS = 1000  # in a request, as binary tensors: its cost must be the model's, not that of moving bytes, which client,
# HAProxy and replica do on the same two cores
MANY = 800  # in a request of JSON
CLIENTS = 30  # fewer than may be in a replica at a time
ROUNDS = 4  # peak and flood take turns, so that what else the machine does meets both
SPEC = ModelSpec.model_validate(
    model.SPEC.model_dump(mode="json")
    | {
        "slo": {"latency_p99_ms": SLO_MS},
        "serving": {"min_replicas": 1, "max_replicas": 1, "max_waiting_rows": 100_000},
    }
)


@pytest.fixture(scope="module")
def served() -> Iterator[World]:
    """One replica that answers with the bench model."""
    with world(SPEC) as place:
        yield place


@pytest.fixture
def hurried(served: World) -> Iterator[World]:
    """The same with the usual promise: an answer in 50 ms."""
    served.serve(SPEC.model_copy(update={"slo": model.SPEC.slo.model_copy(update={"latency_p99_ms": 50.0})}))
    yield served
    served.serve(SPEC)


@pytest.fixture(scope="module")
def bulk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty requests of ROWS rows, whole."""
    file = tmp_path_factory.mktemp("offered") / "requests.base64"
    dialect = replace(dialects.BINARY, rows=ROWS)
    file.write_bytes(b"\n".join(map(b64encode, dialect.requests(model.make_rows(20 * ROWS)))))
    return file


def body(subject: str, count: int = MANY) -> bytes:
    """Instances of one subject."""
    rows = model.make_rows(count).astype(float).round(4).tolist()
    features = [{f"f{place}": value for place, value in enumerate(row)} for row in rows]
    return json.dumps({"instances": [{"subject": subject, "features": each} for each in features]}).encode()


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
    headers = {"content-type": "application/json", "x-request-timeout-seconds": timeout}
    return httpx.post(f"{served.url}{served.path}/decide", content=sent, headers=headers, timeout=60.0, trust_env=False)


def offered(served: World, bodies: Path, seconds: float, *load: str) -> Tally:
    """What came of a load from a process of its own."""
    url = f"{served.url}{served.path}/decide"
    command = [sys.executable, "-m", "benchmarks.offer", url, str(bodies), "--seconds", str(seconds), *load]
    told = subprocess.run(command, capture_output=True, check=True, timeout=seconds + 60.0).stdout
    return msgspec.json.decode(told, type=Tally)


def decided(served: World, subjects: str) -> int:
    """Rows in the decision log whose subject is like this."""
    query = Query(Path(served.settings.home) / "log" / SPEC.name, SPEC.features)
    return int(query.sql(f"select count(*) as n from decisions where subject like '{subjects}'")["n"][0].as_py())


@pytest.mark.timeout(600)
def test_at_three_times_its_capacity_what_is_taken_is_in_time_and_the_rest_is_refused_at_once(
    served: World, bulk: Path
) -> None:
    offered(served, bulk, 3.0, "--whole", "--concurrency", "8")
    before = served.replica().memory_info().rss
    peak, flood = Tally(0.0), Tally(0.0)
    for _ in range(ROUNDS):
        peak.merge(offered(served, bulk, 4.0, "--whole", "--concurrency", "8"))
        flood.merge(offered(served, bulk, 6.0, "--whole", "--rate", str(3.0 * peak.rate)))
    assert peak.statuses[200] >= 0.99 * sum(peak.statuses.values()), peak.statuses  # a flood leaves some behind
    seen = (
        f"{flood.rate:.0f} good answers a second, at the peak {peak.rate:.0f}; p99 {flood.answered.quantile(0.99):.0f} "
        f"ms, refused p99 {flood.refused.quantile(0.99):.0f} ms; {flood.statuses}"
    )
    offered_per_second = sum(flood.statuses.values()) / flood.seconds
    assert offered_per_second > 2.7 * peak.rate, f"the generator could not keep up: {seen}"
    assert set(flood.statuses) <= {200, 429, 503}, seen
    assert flood.without_retry_after == 0, seen
    assert flood.answered.quantile(0.99) <= SLO_MS, seen
    assert flood.rate >= 0.9 * peak.rate, seen
    assert flood.refused.quantile(0.99) <= SLO_MS / 2.0, seen  # sooner than a usual answer in this queue
    assert served.replica().memory_info().rss <= 1.1 * before, seen

    after = offered(served, bulk, 3.0, "--whole", "--concurrency", "1")
    assert set(after.statuses) == {200}, after.statuses


def test_a_deadline_that_cannot_be_kept_is_not_decided_and_one_that_is_no_number_is_explained(served: World) -> None:
    def refused() -> bool:
        return decide(served, body("late"), "0.0001").status_code in (429, 504)

    wait_for("an answer of ours", refused)  # until HAProxy knows a new replica, Serve's proxy stands in: it says 408
    wrong = decide(served, body("wrong", 1), "soon")
    assert wrong.status_code == 422
    assert "x-request-timeout-seconds" in wrong.json()["detail"]
    assert decide(served, body("right"), "60").status_code == 200
    assert (decided(served, "late"), decided(served, "wrong"), decided(served, "right")) == (0, 0, MANY)


def test_clients_that_go_away_are_not_scored(served: World) -> None:
    """They ask while the replica stands still, and all but the first are gone when it goes on."""
    with ExitStack() as staying:
        first = staying.enter_context(connection(served))
        with suspended(served.replica()), ExitStack() as leaving:
            for place in range(CLIENTS):
                client = leaving.enter_context(connection(served)) if place else first
                sent = body(f"gone-{place}" if place else "stayed")
                client.sendall(request(f"{served.path}/decide", "localhost", sent, ["x-request-timeout-seconds: 60"]))
        assert first.recv(12) == b"HTTP/1.1 200"
    wait_for("an answer to who comes last", lambda: decide(served, body("last", 1), "60").status_code == 200)
    assert decided(served, "stayed") == MANY
    assert decided(served, "gone-%") < 0.5 * (CLIENTS - 1) * MANY


@pytest.mark.timeout(300)
def test_a_crowd_that_asks_again_at_once_for_single_rows_leaves_the_replica_working(
    hurried: World, tmp_path: Path
) -> None:
    """Refusing costs Python nearly as much as answering: when it did the refusing, such a crowd got only that."""
    bodies = tmp_path / "single.ndjson"
    bodies.write_bytes(b"\n".join(body(f"single-{place}", 1) for place in range(20)))
    offered(hurried, bodies, 3.0, "--concurrency", "32")
    peak = offered(hurried, bodies, 8.0, "--concurrency", "32")

    crowd = offered(hurried, bodies, 8.0, "--concurrency", "300")

    seen = f"{crowd.rate:.0f} good answers a second, of 32 callers {peak.rate:.0f}; {crowd.statuses}"
    assert set(crowd.statuses) <= {200, 429, 503}, seen
    assert crowd.without_retry_after == 0, seen
    assert crowd.rate >= 0.25 * peak.rate, seen  # the crowd itself takes a core, and HAProxy what refusing it takes


def test_callers_that_stall_in_their_bodies_keep_nobody_out(hurried: World) -> None:
    """More of them than may be in a replica at a time."""
    sent = body("stalled", 1)
    whole = request(f"{hurried.path}/decide", "localhost", sent)
    with ExitStack() as leaving:
        for _ in range(100):
            leaving.enter_context(connection(hurried)).sendall(whole[: -len(sent) // 2])
        assert decide(hurried, body("behind them", 1), "5").status_code == 200
    assert decided(hurried, "stalled") == 0
