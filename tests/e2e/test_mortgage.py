"""The mortgage example as its owner runs it: trained, deployed, asked, and answered for afterwards."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PORT, Place, as_json
from windvane.cluster.control_api import ControlApi
from windvane.configs.access import FIRST_KEY
from windvane.configs.load import load_model, load_settings
from windvane.examples import mortgages
from windvane.examples.demo.mortgage import Command, scenes
from windvane.examples.demo.scene import COMPARING, LENDING, MODEL

DECIDE = f"/v2/models/{MODEL}/decide"
WHAT_IF = "what-if"  # nobody's name
PATIENT = {"x-request-timeout-seconds": "30"}


@pytest.fixture(scope="module")
def decided(place: Place) -> Iterator[list[dict[str, Any]]]:
    """Every application, decided by version 1 for a purpose that needs nobody's consent."""
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
            {"subject": row["applicant"], "features": {name: row[name] for name in names}, "purpose": COMPARING}
            for row in rows[start : start + 100]
        ]
        reply = place.http.post(DECIDE, json={"instances": instances}, headers=PATIENT)
        assert reply.status_code == 200, reply.text
        found += [
            decision | {"sent": instance}
            for instance, decision in zip(instances, reply.json()["decisions"], strict=True)
        ]
    yield found
    place.leave(MODEL)


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
        changed.append({"subject": WHAT_IF, "features": each["sent"]["features"] | after, "purpose": COMPARING})
    for start in range(0, len(changed), 100):
        reply = place.http.post(DECIDE, json={"instances": changed[start : start + 100]}, headers=PATIENT).json()
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
    path = f"/api/models/{MODEL}/decisions/{one['decision_id']}/explanation"
    assert place.http.get(path).status_code == 200
    assert place.http.get(path, headers={"authorization": "Bearer guessed"}).status_code == 401
    about = f"kind = 'read' and model = '{MODEL}' and facts like '%{one['decision_id']}%'"
    out = place.home.parent / "reads.json"
    place.windvane("decisions", "control", "--sql", f"select count(*) as n from acts where {about}", "--out", str(out))
    assert json.loads(out.read_text()) == [{"n": 3}]


def test_the_log_has_what_was_told_and_only_its_subjects_key_opens_it(
    place: Place, declined: list[dict[str, Any]]
) -> None:
    page = f"/api/decisions?model={MODEL}&action=decline&limit=1000"
    closed, opened = (
        {each["decision_id"]: each for each in place.http.get(f"{page}&personal={word}").json()["decisions"]}
        for word in ("false", "true")
    )
    for each in declined:
        sealed, told = closed[each["decision_id"]], opened[each["decision_id"]]
        assert (sealed["grounds"], sealed["explanation"], sealed["features"]["obligations_ratio"]) == (None, None, None)
        assert sealed["subject"] == told["subject_hash"] == place.logged_as(each["sent"]["subject"])
        assert told["features"] == each["sent"]["features"]
        assert told["grounds"]["reasons"] == each["explanation"]["reasons"]
        assert told["grounds"]["counterfactual"] == each["explanation"]["counterfactual"]


def test_the_card_says_what_it_is_for_and_how_little_it_knows(place: Place, declined: list[dict[str, Any]]) -> None:
    shown = place.windvane("model", "card", MODEL)
    assert shown.startswith(f"# {MODEL}, version 1")
    assert "- lending: decide on the application or prepare the decision (with the subject's consent)" in shown
    assert "- kept out, to audit by: race, gender, married, older" in shown
    assert "| race: white |" in shown
    assert "Too few held-out rows to say anything of" in shown
    assert "race: hispanic (24 rows)" in shown
    assert "Not a model to lend by" in shown
    assert "- champion: the first version" in shown


def test_what_is_protected_stops_validate_when_it_reaches_the_features(place: Place) -> None:
    file = place.models / "protected.yaml"
    text = (place.models / f"{MODEL}.yaml").read_text().replace(f"name: {MODEL}", "name: protected", 1)
    try:
        for column in ("race", "suffolk"):
            one = f"features:\n  - {{name: {column}, type: number, reason: {{raises: x}}}}\n"
            file.write_text(text.replace("features:\n", one, 1))
            said = place.windvane("validate", "protected", check=False)
            assert f"{file}: 1 to mend" in said
            assert "stands under `audit` and may not decide" in said
    finally:
        file.unlink()


@pytest.mark.usefixtures("declined")
def test_the_four_scenes_of_the_demo_hold(place: Place, tmp_path: Path) -> None:
    settings = load_settings(place.environment)
    auditor = Command(place.home / "keys" / "signing.pem.pub")
    rows, spec = mortgages.load().to_pylist(), load_model(MODEL, settings)
    with closing(ControlApi(f"http://127.0.0.1:{PORT}", place.home / FIRST_KEY)) as office:
        acted = list(scenes(office, auditor, place.home, tmp_path, rows, spec))
    assert [scene.broken for scene in acted] == [()] * 4
    assert any(LENDING in line for line in acted[0].lines)
    assert [line for line in acted[3].lines if "exit code" in line] == [f"  exit code {code}" for code in (0, 1, 1)]
