"""A newcomer's CSV: init, validate, train, deploy, decide, outcomes, retrain, and not a line of code."""

import json

import httpx
import psutil

from tests.e2e.conftest import Place, as_json, wait_for
from tests.e2e.world import CHANGE, START, instance, rows, write_csv
from windvane.cluster.runtime.processes import BEHIND

MODEL = "my-churn"


def test_a_csv_becomes_a_served_and_retrained_model_without_code(place: Place) -> None:
    data = place.home.parent / "customers.csv"
    seen = rows(3000, START, CHANGE, seed=3)
    write_csv(data, seen)

    place.windvane("init", MODEL, "--data", str(data), "--target", "churned")
    with (place.models / f"{MODEL}.yaml").open("a") as drafted:
        drafted.write("training: {trials: 2, tune_budget: 5s, max_rounds: 60}\n")
    assert "ok" in place.windvane("validate", MODEL)
    place.windvane("train", MODEL)
    place.windvane("deploy", MODEL)

    request = instance(seen[0]) | {"explain": True}
    decision = as_json(place.windvane("decide", MODEL, json.dumps(request)))
    assert decision["version"] == 1
    assert 0.0 <= decision["prediction"] <= 1.0
    assert decision["explanation"]["top_features"]

    told = {"outcomes": [{"decision_id": decision["decision_id"], "label": seen[0].label}]}
    place.windvane("outcomes", MODEL, json.dumps(told))
    found = place.windvane("decisions", MODEL, "--sql", "select decision_id, label from labelled")
    assert decision["decision_id"][:8] in found.replace("\n", "")

    place.windvane("retrain", MODEL, "--reason", "the newcomer asked")
    wait_for("the retrained version", lambda: place.events(MODEL, "job_succeeded"), patience_seconds=240.0)
    assert "the newcomer asked" in place.windvane("versions", MODEL)


def test_who_answers_goes_before_what_can_wait(place: Place) -> None:
    titles = (f"ServeReplica:{MODEL}:", "ServeReplica:control", "ray::MonitorActor")
    nice = {title: {process.nice() for process in place.processes(title)} for title in titles}
    assert nice == dict(zip(titles, ({psutil.Process().nice()}, {BEHIND}, {BEHIND}), strict=True))


def test_out_of_service_and_back(place: Place) -> None:
    """The model of the test before, which may be in a rollout: that has to end first."""
    decided = place.windvane("decisions", MODEL, "--sql", "select decision_id from decisions")
    monitors = place.processes("ray::MonitorActor")
    if (place.status(MODEL)["rollout"] or {}).get("phase") in ("shadow", "step", "bake"):
        place.windvane("rollout", "abort", MODEL)
    place.windvane("undeploy", MODEL, "--reason", "a test")

    assert not place.processes(f"ServeReplica:{MODEL}:")
    assert MODEL not in [each["name"] for each in place.http.get("/api/status").json()["models"]]
    assert place.http.post(f"/v2/models/{MODEL}/decide", json={}).status_code == 404
    assert f'model="{MODEL}"' not in place.http.get("/metrics").text
    wait_for("its monitor's end", lambda: len(place.processes("ray::MonitorActor")) == len(monitors) - 1)
    assert "a test" in place.events(MODEL, "undeployed")[-1]["detail"]
    assert place.windvane("decisions", MODEL, "--sql", "select decision_id from decisions") == decided

    place.windvane("deploy", MODEL)
    with httpx.Client(base_url=place.http.base_url, headers=place.key, trust_env=False) as anew:
        assert anew.get(f"/v2/models/{MODEL}/ready").status_code == 200
    # This client's connection is older than the model's route: HAProxy answers it once more by the routes of then.
    older = place.http.get(f"/v2/models/{MODEL}/ready")
    assert older.status_code == 200 or (older.status_code == 503 and older.headers["retry-after"] == "1")
    assert place.http.get(f"/v2/models/{MODEL}/ready").status_code == 200
    assert place.status(MODEL)["champion"] == 1
