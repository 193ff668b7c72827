"""A stranger's CSV, default limits, and a world that flips in live traffic: healed without a hand, in minutes."""

import csv
import threading
import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.conftest import Place, wait_for
from tests.worlds import figures
from windvane.backtest.relive import Relived
from windvane.cluster.bundle import Bundle
from windvane.cluster.decision_log.read.tail import BRIEF, Tail
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.configs.load import load_model, load_settings
from windvane.monitoring.counts.profile import Profile

MODEL = "stranger"
PER_SECOND = 200
BATCH = 20
WINDOW_SECONDS = 10
CALM_SECONDS = 1.5 * WINDOW_SECONDS  # of the world that version 1 knows
ROWS = 50_000  # so many that the calm brings no retraining for growth: a tenth more comes after the flip
HEALED_SECONDS = 300.0  # that finding, retraining and promotion may take together
NEWEST = 400  # answers that are looked at


def write_csv(path: Path) -> None:
    """Rows without times or names: what somebody has lying around."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(ROWS, 3))
    labels = rng.random(ROWS) < 1.0 / (1.0 + np.exp(-2.0 * values[:, 0]))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "y"])
        writer.writerows([*map(float, row), int(label)] for row, label in zip(values, labels, strict=True))


class Caller(threading.Thread):
    """Asks for PER_SECOND decisions a second and tells what came true at once; `flip` turns the world over."""

    def __init__(self, place: Place) -> None:
        super().__init__(daemon=True)
        self._place, self._stop_asking = place, threading.Event()
        self._rng = np.random.default_rng(1)
        self.direction = 2.0
        self.refused: list[str] = []
        self.answered: deque[tuple[int, float, bool]] = deque(maxlen=NEWEST)  # version, score, label

    def run(self) -> None:
        due = time.monotonic()
        while not self._stop_asking.is_set():
            self._ask()
            due += BATCH / PER_SECOND
            self._stop_asking.wait(max(0.0, due - time.monotonic()))

    def _ask(self) -> None:
        values = self._rng.normal(size=(BATCH, 3))
        labels = self._rng.random(BATCH) < 1.0 / (1.0 + np.exp(-self.direction * values[:, 0]))
        path = f"/v2/models/{MODEL}"
        instances = [
            {"subject": f"case-{self._rng.integers(10**9)}", "features": dict(zip("abc", map(float, row), strict=True))}
            for row in values
        ]
        reply = self._place.http.post(f"{path}/decide", json={"instances": instances})
        if reply.status_code != 200:
            self.refused.append(f"{reply.status_code} {reply.text[:200]}")
            return
        decisions = reply.json()["decisions"]
        told = [
            {"decision_id": each["decision_id"], "label": bool(label)}
            for each, label in zip(decisions, labels, strict=True)
        ]
        reply = self._place.http.post(f"{path}/outcomes", json={"outcomes": told})
        if reply.status_code != 200:
            self.refused.append(f"{reply.status_code} {reply.text[:200]}")
        for each, label in zip(decisions, labels, strict=True):
            self.answered.append((each["version"], each["prediction"], bool(label)))

    def auc(self) -> float:
        """Of the newest answers."""
        _, scores, labels = zip(*self.answered, strict=True)
        return figures.auc(np.array(labels), np.array(scores))

    def end(self) -> None:
        """Ask no more."""
        self._stop_asking.set()
        self.join()


def cured(place: Place) -> int | None:
    """The first version that a broken promise asked for and that was promoted."""
    asked = [event for event in place.events(MODEL, "retrain_requested") if "breaks its promise" in event["detail"]]
    promoted = {event["version"] for event in place.events(MODEL, "promoted")}
    made = {event["facts"]["request"]: event["version"] for event in place.events(MODEL, "job_succeeded")}
    requests = {event["facts"]["request"] for event in asked}
    cures = (version for request, version in made.items() if request in requests and version in promoted)
    return min(cures, default=None)


@pytest.mark.timeout(900)
def test_a_flip_in_live_traffic_is_healed_at_default_limits_without_a_hand(place: Place) -> None:
    data = place.home.parent / "strangers.csv"
    write_csv(data)
    place.windvane("init", MODEL, "--data", str(data), "--target", "y")
    with (place.models / f"{MODEL}.yaml").open("a") as drafted:
        drafted.write(f"\nmonitor: {{window: {WINDOW_SECONDS}s}}\ntraining: {{trials: 2, tune_budget: 5s}}\n")
    place.windvane("validate", MODEL)
    place.windvane("train", MODEL)
    place.windvane("deploy", MODEL)
    caller = Caller(place)
    caller.start()
    try:
        began = time.monotonic()
        wait_for("calm traffic", lambda: time.monotonic() - began > CALM_SECONDS, CALM_SECONDS + 30.0)
        assert caller.refused == []
        assert caller.auc() > 0.75
        calm = place.events(MODEL, "assessment", "rolled_back")
        assert calm == [], "nothing has changed yet"
        caller.direction, flipped = -2.0, time.monotonic()
        cure = wait_for("a cure", lambda: cured(place), HEALED_SECONDS)
        wait_for("answers of the new world", lambda: caller.auc() > 0.75, flipped + HEALED_SECONDS - time.monotonic())
    finally:
        caller.end()
    assert caller.refused == []
    assert min(version for version, _, _ in caller.answered) >= cure, "or fresher: retrained as labels grow"
    kinds = [event["kind"] for event in place.events(MODEL)]
    order = [kinds.index(kind) for kind in ("finding", "assessment")]
    assert order == sorted(order), kinds
    place.leave(MODEL)


def test_the_log_of_that_run_replayed_finds_the_same_change_in_the_same_window(place: Place) -> None:
    settings = load_settings(place.environment)
    spec = load_model(MODEL, settings)
    registry = MlflowRegistry(settings.mlflow_uri, settings.artifacts)
    live = next(event for event in place.events(MODEL, "finding") if is_promise(event["facts"]))
    bundle = Bundle.open(registry.fetch(MODEL, live["version"], place.home / "relived"))
    profile = Profile.from_json(bundle.profile_path.read_bytes())
    tail = Tail(place.home / "log" / MODEL, 0.0, BRIEF)
    records = []
    while read := tail.read(10_000):
        records += read
    records.sort(key=lambda record: record.at)
    told = Relived(spec, live["version"], profile).run(records)
    relived = next(event for event in told if event.kind == "finding" and is_promise(event.facts))
    assert relived.event_time is not None
    assert (relived.version, relived.facts["monitor"]) == (live["version"], live["facts"]["monitor"])
    assert relived.event_time.timestamp() <= datetime.fromisoformat(live["event_time"]).timestamp()
    assert relived.facts["value"] == pytest.approx(live["facts"]["value"], rel=0.2)


def is_promise(facts: Mapping[str, Any]) -> bool:
    """Whether a finding is of a promise that was broken."""
    return str(facts.get("monitor")).endswith("_promise")
