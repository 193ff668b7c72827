"""Replicas come and go under load: Serve decides by what it is told of requests that it does not see, and nobody fails.

On a Windvane without control, as `test_overload.py`.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

import httpx
import psutil
import pytest

from benchmarks import model
from benchmarks.world import NAME, World
from tests.e2e.conftest import wait_for
from windvane.cluster.runtime.dashboard import Dashboard
from windvane.cluster.runtime.serve_apps_api import PATH
from windvane.configs.schema import ModelSpec

ROWS = 100  # in a request, so that it is at the replica for most of its time
CALLERS = 8


def declared(least: int, most: int) -> ModelSpec:
    """The bench model on so many replicas; nobody is refused for being late."""
    return ModelSpec.model_validate(
        model.SPEC.model_dump(mode="json")
        | {
            "slo": {"latency_p99_ms": 20_000},
            "serving": {"min_replicas": least, "max_replicas": most, "target_ongoing_requests": 2, "num_cpus": 0.05},
        }
    )


class Traffic:
    """Requests so far, counted by status, or by the error that there was instead."""

    def __init__(self, place: World) -> None:
        rows = model.make_rows(ROWS).astype(float).round(4).tolist()
        features = [{f"f{place}": value for place, value in enumerate(row)} for row in rows]
        self._body = {"instances": [{"subject": "N725MQ", "features": each} for each in features]}
        self._url = f"{place.url}{place.path}"
        self._headers = place.headers
        self._ended = threading.Event()
        self.seen: Counter[str] = Counter()

    def call(self) -> None:
        """One decision after the other on a connection that is kept."""
        with httpx.Client(headers=self._headers, timeout=30.0, trust_env=False) as http:
            while not self._ended.is_set():
                try:
                    decided = http.post(f"{self._url}/decide", json=self._body)
                    said = str(decided.status_code)
                except httpx.HTTPError as error:
                    said = repr(error)
                self.seen[said] += 1

    @contextmanager
    def from_callers(self, callers: int) -> Iterator["Traffic"]:
        """While the block runs."""
        threads = [threading.Thread(target=self.call) for _ in range(callers)]
        self._ended.clear()
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()


def running(place: World) -> int:
    """Replicas that Serve calls running."""
    dashboard = Dashboard(place.head.dashboard_url, place.settings.ray_token_file)
    with closing(dashboard):
        found = dashboard.document(dashboard.ask("GET", PATH))["applications"]
    replicas = found[NAME]["deployments"]["Gateway"]["replicas"]
    return [each["state"] for each in replicas].count("RUNNING")


def cpu_seconds(replica: psutil.Process) -> float:
    """CPU seconds it has spent so far."""
    return float(sum(replica.cpu_times()[:2]))


def has_worked(replica: psutil.Process, before: float) -> bool:
    return cpu_seconds(replica) > before + 0.5


@pytest.mark.timeout(400)
def test_load_brings_a_second_replica_and_its_end_takes_it_away_and_no_request_fails(alone: World) -> None:
    alone.serve(declared(1, 2), "tests.e2e.impatient:build")
    assert running(alone) == 1
    traffic = Traffic(alone)
    with traffic.from_callers(CALLERS):
        wait_for("a second replica", lambda: len(alone.replicas()) == 2, 60.0)
        wait_for("its readiness", lambda: running(alone) == 2, 60.0)
        spent = {replica: cpu_seconds(replica) for replica in alone.replicas()}
        for replica, before in spent.items():
            wait_for("work on each", partial(has_worked, replica, before), 60.0)
    with traffic.from_callers(1):
        wait_for("the second replica's end", lambda: len(alone.replicas()) == 1, 90.0)
    assert set(traffic.seen) == {"200"}, traffic.seen


@pytest.mark.timeout(400)
def test_another_declaration_rolls_the_replicas_and_no_request_fails(alone: World) -> None:
    alone.serve(declared(2, 2))
    wait_for("both replicas", lambda: running(alone) == 2, 60.0)
    first = set(alone.replicas())
    traffic = Traffic(alone)
    with traffic.from_callers(CALLERS):
        alone.applications.deploy_model(NAME, "another")
        wait_for("others instead", lambda: not first & set(alone.replicas()) and running(alone) == 2, 120.0)
    assert set(traffic.seen) == {"200"}, traffic.seen
    assert traffic.seen["200"] > 200
