"""The whole loop on a small world: it changes, the model loses, a new version is trained, proven and promoted."""

import threading
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.conftest import Place, wait_for
from tests.e2e.world import CHANGE, REGIONS, START, Row, days, instance, rows, write_csv

MODEL = "churn-loop"
DECLARATION = f"""
name: {MODEL}
owner: tests
unit: customer
target: {{name: churned, positive: "yes"}}
data: {{source: FILE, time: seen_at, subject: customer}}
features:
  - {{name: amount, type: number, min: -200, max: 400, missing: true}}
  - {{name: visits, type: integer, min: 0, max: 50}}
  - {{name: region, type: category, categories: [{", ".join(REGIONS)}]}}
  - {{name: member, type: boolean}}
decision:
  actions:
    - {{name: call, at_least: 0.6, cost_if_false: 1}}
    - {{name: nothing, at_least: 0.0, cost_if_true: 3}}
slo: {{latency_p99_ms: 10000}}  # two cores carry cluster, job and client here
training: {{trials: 2, tune_budget: 5s, max_rounds: 40, windows: [all, 20d], bootstrap: 60}}
serving: {{min_replicas: 2, max_replicas: 2, num_cpus: 0.1}}
monitor: {{window: 4d, min_sample: 150}}
retrain: {{growth: null, persistence: 2, cool_down: 30d, min_labels: 300, retry_after: 2s}}
rollout:
  shadow_min_duration: 1s
  min_outcomes: 300
  steps:
    - {{weight: 0.2, min_duration: 1s, min_decisions: 50}}
    - {{weight: 1.0, min_duration: 1s, min_decisions: 50}}
  bake: 2s
  loss_margin: 0.01
"""


class Traffic:
    """Sends decisions and their outcomes until it is stopped; remembers what was acknowledged."""

    def __init__(self, place: Place, model: str, replayed: list[Row], size: int = 25) -> None:
        self._place = place
        self._model = model
        self._rows = replayed
        self._size = size
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.acknowledged: list[tuple[str, int, str]] = []  # decision id, version, arm
        self.refused: list[str] = []

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        place, path = self._place, f"/v2/models/{self._model}"
        for start in range(0, len(self._rows), self._size):
            if self._stop.wait(0.02):
                return
            batch = self._rows[start : start + self._size]
            body = {"instances": [instance(row) for row in batch]}
            try:
                reply = place.http.post(f"{path}/decide", json=body)
            except Exception as error:  # noqa: BLE001  what a killed replica does to a client is what is looked at
                self.refused.append(repr(error))
                continue
            if reply.status_code != 200:
                self.refused.append(f"{reply.status_code} {reply.text[:200]}")
                continue
            decisions = reply.json()["decisions"]
            self.acknowledged += [(each["decision_id"], each["version"], each["arm"]) for each in decisions]
            outcomes = [
                {"decision_id": each["decision_id"], "label": row.label}
                for each, row in zip(decisions, batch, strict=True)
            ]
            try:
                place.http.post(f"{path}/outcomes", json={"outcomes": outcomes})
            except Exception as error:  # noqa: BLE001  likewise
                self.refused.append(repr(error))


def declare(place: Place, model: str, text: str, base: list[Row]) -> None:
    """Write the model's file and its data."""
    data = place.home.parent / f"{model}.csv"
    write_csv(data, base)
    (place.models / f"{model}.yaml").write_text(text.replace("FILE", str(data)))


@pytest.fixture(scope="module")
def deployed(place: Place) -> Place:
    """Version 1, trained before the change, answering."""
    declare(place, MODEL, DECLARATION, rows(4000, START, CHANGE - days(5), seed=1))
    place.windvane("validate", MODEL)
    assert "registered" in place.windvane("train", MODEL).lower()
    place.windvane("deploy", MODEL)
    return place


@pytest.mark.timeout(600)
def test_a_changed_world_ends_with_a_promoted_version(deployed: Place) -> None:
    place = deployed
    replayed = rows(400_000, CHANGE - days(5), CHANGE + days(2000), seed=2)
    with Traffic(place, MODEL, replayed) as traffic:
        wait_for("a promotion or a failed job", lambda: place.events(MODEL, "promoted", "job_failed"), 300.0)
        assert place.events(MODEL, "job_failed") == []
        wait_for("an answer by version 2", lambda: traffic.acknowledged and traffic.acknowledged[-1][1] == 2)
    told = [event["kind"] for event in place.events(MODEL) if (event["version"], event["kind"]) != (1, "registered")]
    order = [told.index(kind) for kind in STORY]
    assert order == sorted(order), told
    assert traffic.refused == []
    assert place.status(MODEL)["champion"] == 2
    assert _versions(place)[1]["parent"] == 1
    logged = place.windvane("decisions", MODEL, "--sql", "select count(*) as n from decisions")
    assert f"{len(traffic.acknowledged)}" in logged


STORY = (
    "finding",
    "assessment",
    "retrain_requested",
    "job_submitted",
    "registered",
    "job_succeeded",
    "phase",
    "verdict",
    "promoted",
)


def test_undo_returns_to_the_old_champion_at_once(deployed: Place) -> None:
    place = deployed
    place.windvane("rollout", "undo", MODEL, "--reason", "the test says so")
    took = wait_for("the way back", lambda: _ways_back(place, version=2), 20.0)
    assert took[0] < 5000
    assert place.status(MODEL)["champion"] == 1
    reply = place.http.post(f"/v2/models/{MODEL}/decide", json=instance(rows(1, CHANGE, CHANGE + days(1), 5)[0]))
    assert reply.json()["version"] == 1


def _ways_back(place: Place, version: int) -> list[float]:
    """How long each took, in ms: on record as an event, since a candidate that comes next has a rollout of its own."""
    told = [event["facts"].get("rolled_back_in_ms") for event in place.events(MODEL) if event["version"] == version]
    return [took for took in told if took is not None]


def _versions(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.http.get(f"/api/models/{MODEL}/versions").json()["versions"]
    assert all(datetime.fromisoformat(each["created_at"]).tzinfo is not None for each in found)
    return found
