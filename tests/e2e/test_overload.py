"""Three times what one replica can answer: what it takes it answers in time, the rest it refuses at once."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from socket import create_connection

import msgspec
import pytest

from benchmarks.offer import request
from benchmarks.offered import Tally
from tests.e2e.conftest import PORT, Place, wait_for
from tests.e2e.test_loop import DECLARATION as LOOP
from tests.e2e.test_loop import declare
from tests.e2e.world import CHANGE, START, days, instance, rows

MODEL = "churn-overload"
SLO_MS = 400.0
ROWS = 400  # in a request: its cost must be the model's, not the sockets' that client, HAProxy and replica share here
DECLARATION = (
    LOOP.replace("churn-loop", MODEL)
    .replace("latency_p99_ms: 10000", f"latency_p99_ms: {SLO_MS:g}")
    .replace("min_replicas: 2, max_replicas: 2", "min_replicas: 1, max_replicas: 1, max_waiting_rows: 100000")
)
PATH = f"/v2/models/{MODEL}/decide"


@pytest.fixture(scope="module")
def deployed(place: Place) -> Place:
    """One replica that answers."""
    declare(place, MODEL, DECLARATION, rows(4000, START, CHANGE - days(1), seed=21))
    place.windvane("train", MODEL)
    place.windvane("deploy", MODEL)
    return place


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty requests of ROWS rows."""
    file = tmp_path_factory.mktemp("offered") / "bodies.ndjson"
    file.write_bytes(b"\n".join(body(f"offered-{place}") for place in range(40)))
    return file


def body(subject: str, count: int = ROWS) -> bytes:
    """Instances of one subject."""
    asked = [instance(replace(row, subject=subject)) for row in rows(count, START, CHANGE - days(1), seed=22)]
    return json.dumps({"instances": asked}).encode()


def offered(bodies: Path, seconds: float, *load: str) -> Tally:
    """What came of a load from a process of its own."""
    url = f"http://127.0.0.1:{PORT}{PATH}"
    command = [sys.executable, "-m", "benchmarks.offer", url, str(bodies), "--seconds", str(seconds), *load]
    told = subprocess.run(command, capture_output=True, check=True, timeout=seconds + 60.0).stdout
    return msgspec.json.decode(told, type=Tally)


@pytest.mark.timeout(600)
def test_at_three_times_its_capacity_what_is_taken_is_in_time_and_the_rest_is_refused_at_once(
    deployed: Place, bodies: Path
) -> None:
    [replica] = deployed.processes(f"ServeReplica:{MODEL}")
    offered(bodies, 3.0, "--concurrency", "8")
    peak = offered(bodies, 8.0, "--concurrency", "8")
    assert set(peak.statuses) == {200}, peak.statuses
    before = replica.memory_info().rss

    flood = offered(bodies, 15.0, "--rate", str(3.0 * peak.rate))

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
    assert replica.memory_info().rss <= 1.1 * before, seen

    after = offered(bodies, 2.0, "--concurrency", "1")
    assert set(after.statuses) == {200}, after.statuses


def test_a_deadline_that_cannot_be_kept_is_refused_and_one_that_is_no_number_is_explained(deployed: Place) -> None:
    content = {"content-type": "application/json"}
    late = deployed.http.post(PATH, content=body("late"), headers=content | {"x-request-timeout-seconds": "0.0001"})
    assert late.status_code in (408, 504), late.text  # Ray Serve's own, or ours
    wrong = deployed.http.post(PATH, content=body("wrong"), headers=content | {"x-request-timeout-seconds": "soon"})
    assert wrong.status_code == 422
    assert "x-request-timeout-seconds" in wrong.json()["detail"]
    logged = deployed.windvane("decisions", MODEL, "--sql", "select subject from decisions where subject = 'wrong'")
    assert "wrong" not in logged


def test_clients_that_go_away_are_not_scored(deployed: Place) -> None:
    """Fifty clients ask for 20,000 rows, and all but the first hang up when that one is answered."""
    patient = ["x-request-timeout-seconds: 60"]
    clients = [create_connection(("127.0.0.1", PORT)) for _ in range(50)]
    for place, client in enumerate(clients):
        client.sendall(request(PATH, "localhost", body(f"gone-{place}" if place else "stayed"), patient))
    assert clients[0].recv(12) == b"HTTP/1.1 200"
    for client in clients[1:]:
        client.close()
    clients[0].close()

    def quiet() -> bool:
        return deployed.http.post(PATH, content=body("last", 1)).status_code == 200

    wait_for("an answer to somebody else", quiet)
    logged = deployed.windvane(
        "decisions", MODEL, "--sql", "select count(*) as gone from decisions where subject like 'gone-%'"
    )
    gone = int("".join(character for character in logged.split("gone", 1)[1] if character.isdigit()))
    assert gone < 0.5 * 49 * ROWS, logged
