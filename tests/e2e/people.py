"""A model about people: its rows, its declaration, and what is asked of its log from outside."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.conftest import Place
from tests.e2e.world import REGIONS, START, Row, days, instance, rows, write_csv
from windvane.configs.load import load_model, load_settings
from windvane.configs.schema import ModelSpec
from windvane.training.rows.examples import Examples
from windvane.training.rows.labelled_rows import gather

MODEL, ANA = "audited", "Ana Example"
MODEL_PATH = f"/v2/models/{MODEL}"
DECLARATION = f"""
name: {MODEL}
owner: tests
unit: customer
target: {{name: churned, positive: "yes"}}
data: {{source: FILE, time: seen_at, subject: customer}}
purposes: [{{name: service, consent: false}}]
features:
  - {{name: amount, type: number, min: -200, max: 400, missing: true, personal: true}}
  - {{name: visits, type: integer, min: 0, max: 50}}
  - {{name: region, type: category, categories: [{", ".join(REGIONS)}], personal: true}}
  - {{name: member, type: boolean}}
decision:
  actions:
    - {{name: call, at_least: 0.6}}
    - {{name: nothing, at_least: 0.0}}
slo: {{latency_p99_ms: 10000}}
training: {{trials: 1, tune_budget: 5s, max_rounds: 10, windows: [all], bootstrap: 50}}
serving: {{min_replicas: 1, max_replicas: 1, num_cpus: 0.05}}
"""


def of_ana(found: Sequence[Row], every: int) -> list[Row]:
    """The rows, some of which are about Ana."""
    return [replace(row, subject=ANA) if place % every == 0 else row for place, row in enumerate(found)]


KNOWN = of_ana(rows(600, START, START + days(30), seed=21), every=40)  # what stands in the source
ASKED = of_ana(rows(24, START + days(40), START + days(50), seed=22), every=3)  # decided, and their outcomes told
OTHERS = rows(8, START + days(60), START + days(61), seed=23)  # decided, and nothing known of them since


def declared(place: Place) -> ModelSpec:
    return load_model(MODEL, load_settings(place.environment))


def decide(place: Place, row: Row, **more: Any) -> httpx.Response:
    return place.http.post(f"{MODEL_PATH}/decide", json=instance(row) | {"purpose": "service"} | more)


def page(place: Place, **wanted: Any) -> list[dict[str, Any]]:
    """Decisions that compliance is shown."""
    reply = place.http.get("/api/decisions", params={"model": MODEL, "limit": 1000, **wanted})
    assert reply.status_code == 200, reply.text
    return list(reply.json()["decisions"])


def held_of(place: Place, subject: str) -> list[dict[str, Any]]:
    reply = place.http.post("/api/privacy/export", json={"subject": subject, "reason": "a test"})
    return list(reply.json()["models"][MODEL]["decisions"])


def answer(place: Place, model: str, sql: str) -> list[dict[str, Any]]:
    """Rows that `windvane decisions` writes."""
    file = place.home.parent / "answer.json"
    place.windvane("decisions", model, "--sql", sql, "--out", str(file))
    return list(json.loads(file.read_text()))


def gathered(place: Place, file: Path, found: list[Row]) -> Examples:
    """Examples gathered from these rows and nothing else."""
    write_csv(file, found)
    spec = declared(place)
    return gather(spec.model_copy(update={"data": spec.data.model_copy(update={"source": str(file)})}))


def windvane(environment: dict[str, str], *arguments: str, stdout: Any = subprocess.PIPE) -> Any:
    """The command line as a shell runs it."""
    command = [str(Path(sys.executable).parent / "windvane"), *arguments]
    return subprocess.run(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, timeout=120)


def copied(home: Path, to: Path) -> bool:
    """Whether it could be copied while it goes on; checkpoints first, so that they vouch for no more than there is."""
    shutil.rmtree(to, ignore_errors=True)
    try:
        for part in ("keys", "audit", "log"):
            shutil.copytree(home / part, to / part)
    except (shutil.Error, OSError):
        return False
    return True


def holds(environment: dict[str, str]) -> bool:
    """Whether nothing in it was changed."""
    return bool(windvane(environment, "audit", "verify").returncode == 0)
