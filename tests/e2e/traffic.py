"""A model of customers that churn, and traffic to it whose outcomes follow."""

import threading
from collections.abc import Iterator
from itertools import islice

from tests.e2e.conftest import Place
from tests.e2e.world import REGIONS, Row, instance, write_csv

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

    def __init__(self, place: Place, model: str, replayed: Iterator[Row], size: int = 25) -> None:
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
        while batch := list(islice(self._rows, self._size)):
            if self._stop.wait(0.02):
                return
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
