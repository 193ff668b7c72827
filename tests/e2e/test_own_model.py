"""A newcomer's CSV: init, validate, train, deploy, decide, outcomes, retrain, and not a line of code."""

import json

from tests.e2e.conftest import Place, as_json, wait_for
from tests.e2e.world import CHANGE, START, instance, rows, write_csv

MODEL = "my-churn"


def test_a_csv_becomes_a_served_and_retrained_model_without_code(place: Place) -> None:
    data = place.home.parent / "customers.csv"
    seen = rows(3000, START, CHANGE, seed=3)
    write_csv(data, seen)

    place.windvane("init", MODEL, "--data", str(data), "--target", "churned")
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
