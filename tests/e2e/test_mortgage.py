"""The mortgage example as its owner runs it: trained, deployed, asked, and answered for afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest

from configs.load import load_model, load_settings
from examples import mortgages
from tests.e2e.conftest import Place, as_json

MODEL = "mortgage"
DECIDE = f"/v2/models/{MODEL}/decide"


@pytest.fixture(scope="module")
def decided(place: Place) -> list[dict[str, Any]]:
    """Every application, decided by version 1."""
    declared = Path(load_settings({}).models_dir) / f"{MODEL}.yaml"
    (place.models / declared.name).write_text(declared.read_text())
    assert "ok" in place.windvane("validate", MODEL)
    place.windvane("train", MODEL)
    place.windvane("deploy", MODEL)
    names = [feature.name for feature in load_model(MODEL, load_settings({})).features]
    rows = mortgages.load().to_pylist()
    found: list[dict[str, Any]] = []
    for start in range(0, len(rows), 100):
        instances = [
            {"subject": row["applicant"], "features": {name: row[name] for name in names}}
            for row in rows[start : start + 100]
        ]
        patient = {"x-request-timeout-seconds": "30"}
        reply = place.http.post(DECIDE, json={"instances": instances}, headers=patient)
        assert reply.status_code == 200, reply.text
        found += [
            decision | {"sent": instance}
            for instance, decision in zip(instances, reply.json()["decisions"], strict=True)
        ]
    return found


@pytest.fixture(scope="module")
def declined(decided: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [each for each in decided if each["decision"]["action"] == "decline"]
    assert 10 < len(found) < 300
    return found


def test_whoever_is_declined_is_told_why_and_nobody_else_is(
    decided: list[dict[str, Any]], declined: list[dict[str, Any]]
) -> None:
    for each in decided:
        assert ("explanation" in each) == (each["decision"]["action"] == "decline")
    for each in declined:
        told = each["explanation"]
        assert 1 <= len(told["reasons"]) <= 4
        assert all(reason["weight"] > 0.0 for reason in told["reasons"])
        assert told["counterfactual"]["outcome"] in ("found", "none found")


def test_what_a_counterfactual_says_would_have_been_is_what_the_model_answers(
    place: Place, declined: list[dict[str, Any]]
) -> None:
    told = [each for each in declined if each["explanation"]["counterfactual"]["outcome"] == "found"]
    assert len(told) > 0.5 * len(declined)
    changed = []
    for each in told:
        after = {change["feature"]: change["after"] for change in each["explanation"]["counterfactual"]["changes"]}
        changed.append({"subject": "what-if", "features": each["sent"]["features"] | after})
    for start in range(0, len(changed), 100):
        reply = place.http.post(DECIDE, json={"instances": changed[start : start + 100]}).json()
        for each, again in zip(told[start:], reply["decisions"], strict=False):
            found = each["explanation"]["counterfactual"]
            assert (again["decision"]["action"], again["prediction"]) == (found["action"], found["prediction"])


def test_a_decision_is_explained_again_with_the_numbers_that_were_told(
    place: Place, declined: list[dict[str, Any]]
) -> None:
    one = declined[0]
    found = as_json(place.windvane("explain", one["decision_id"], "--json"))
    assert (found["model"], found["subject"]) == (MODEL, one["sent"]["subject"])
    assert found["prediction"] == one["prediction"] == found["again"]["prediction"]
    assert found["base_value"] == one["explanation"]["base_value"]
    top = one["explanation"]["top_features"]
    assert found["contributions"][: len(top)] == top
    assert found["grounds"]["reasons"] == one["explanation"]["reasons"]
    assert found["grounds"]["counterfactual"] == one["explanation"]["counterfactual"]
    assert found["again"]["largest_difference"] < 1e-6
    assert found["again"]["same_grounds"] is True
    shown = place.windvane("explain", one["decision_id"], "--model", MODEL)
    assert one["explanation"]["reasons"][0]["text"] in shown
    assert place.http.get(f"/api/models/{MODEL}/decisions/{one['decision_id']}/explanation").status_code == 200
    anonymous = {"authorization": ""}
    path = f"/api/models/{MODEL}/decisions/{one['decision_id']}/explanation"
    assert place.http.get(path, headers=anonymous).status_code == 403


def test_the_log_has_what_was_told(place: Place, declined: list[dict[str, Any]]) -> None:
    out = place.home.parent / "told.json"
    sql = "select decision_id, action, explanation, grounds from decisions where subject <> 'what-if'"
    place.windvane("decisions", MODEL, "--sql", sql, "--out", str(out))
    told = {each["decision_id"]: each for each in json.loads(out.read_text())}
    assert {key for key, each in told.items() if each["grounds"]} == {each["decision_id"] for each in declined}
    for each in declined:
        grounds = json.loads(told[each["decision_id"]]["grounds"])
        assert grounds["reasons"] == each["explanation"]["reasons"]


def test_the_card_says_what_it_is_for_and_how_little_it_knows(place: Place, declined: list[dict[str, Any]]) -> None:
    shown = place.windvane("model", "card", MODEL)
    assert shown.startswith(f"# {MODEL}, version 1")
    assert "- lending: decide on the application or prepare the decision (with the subject's consent)" in shown
    assert "- kept out, to audit by: race, gender, married, older" in shown
    assert "| race: white |" in shown
    assert "Too few held-out rows to say anything of" in shown
    assert "race: hispanic (18 rows)" in shown
    assert "Not a model to lend by" in shown
    assert "- champion: the first version" in shown
