"""From a decision to its proof and to the end of what it says of a person, on a real Windvane and by its commands."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from configs.schema import ModelSpec
from tests.bundles import SPEC
from tests.e2e.conftest import Place, wait_for
from tests.e2e.untrained import untrained

MODEL = "audited"
FEATURES = {"temp": 3.5, "distance": 1200.0, "stops": 1, "night": True, "origin": "JFK"}
PEOPLE = SPEC.model_copy(
    update={
        "name": MODEL,
        "features": tuple(
            feature.model_copy(update={"personal": feature.name in ("temp", "origin")}) for feature in SPEC.features
        ),
    }
)


@pytest.fixture(scope="module")
def deployed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with untrained(place, ModelSpec.model_validate(PEOPLE.model_dump()), tmp_path_factory.mktemp(MODEL)):
        yield place


def decide(place: Place, subject: str, **more: Any) -> dict[str, Any]:
    asked = {"subject": subject, "features": FEATURES, **more}
    reply = place.http.post(f"/v2/models/{MODEL}/decide", json=asked)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def export(place: Place, subject: str) -> list[dict[str, Any]]:
    """What is held about the subject's decisions."""
    found = json.loads(place.windvane("privacy", "export", subject))
    return list(found["models"].get(MODEL, {}).get("decisions", []))


def test_a_person_is_erased_and_the_log_still_holds(deployed: Place) -> None:
    place = deployed
    about_ana = [decide(place, "Ana Example", id=f"order-{n}")["decision_id"] for n in range(3)]
    decide(place, "Ben Example")
    held = export(place, "Ana Example")
    assert [each["decision_id"] for each in held] == about_ana
    assert {(each["subject"], each["features"]["temp"], each["features"]["origin"]) for each in held} == {
        ("Ana Example", 3.5, "JFK")
    }
    logs = [path.read_bytes() for path in (place.home / "log").rglob("*") if path.is_file()]
    assert not any(b"Example" in content for content in logs)

    assert "Erasure 1: 1 keys are destroyed" in place.windvane(
        "privacy", "erase", "Ana Example", "--reason", "she asked", "--yes"
    )
    assert {(each["erased"], each["features"]["temp"]) for each in export(place, "Ana Example")} == {(True, None)}
    assert [each["erased"] for each in export(place, "Ben Example")] == [False]
    wait_for(
        "the replica to forget",
        lambda: decide(place, "Ana Example", id="order-1") and export(place, "Ana Example")[-1]["erased"] is False,
    )
    assert "nothing was changed" in place.windvane("audit", "verify")


def test_a_decision_leads_to_its_version_and_reading_it_is_on_record(deployed: Place) -> None:
    place = deployed
    name = decide(place, "Cem Example")["decision_id"]
    found = json.loads(place.windvane("lineage", name, "--json"))
    assert (found["model"], found["version"], found["arm"]) == (MODEL, 1, "champion")
    token = (place.home / "token").read_text().strip()
    asked = f"/api/decisions?model={MODEL}&decision_id={name}"
    assert place.http.get(asked, headers={"authorization": "Bearer guessed"}).status_code == 403
    page = place.http.get(asked, headers={"authorization": f"Bearer {token}"}).json()
    assert [each["decision_id"] for each in page["decisions"]] == [name]
    told = place.windvane("decisions", "control", "--sql", "select kind, facts from acts where kind = 'read'")
    assert told.count(name) >= 2


def test_a_sealed_decision_is_proven_and_a_tampered_log_is_caught(deployed: Place, tmp_path: Path) -> None:
    place = deployed
    name = decide(place, "Dea Example")["decision_id"]
    place.windvane("undeploy", MODEL)  # its writer lets go, so that it is sealed now and not in five minutes
    proof = tmp_path / "proof.json"

    def proven() -> bool:
        proof.write_text(place.windvane("audit", "prove", name, check=False))
        return proof.read_text().startswith("{")

    wait_for("a checkpoint over the sealed segment", proven, 150.0)
    check = [sys.executable, "-m", "cluster.decision_log.verify", str(proof)]
    said = subprocess.run(check, capture_output=True, text=True, timeout=60)
    assert (said.returncode, f"Decision {name} is record" in said.stdout) == (0, True), said.stderr
    forged = {**json.loads(proof.read_text()), "log": "another"}
    proof.write_text(json.dumps(forged))
    assert subprocess.run(check, capture_output=True, timeout=60).returncode == 1

    taken = tmp_path / "home"
    for part in ("log", "audit", "keys"):
        shutil.copytree(place.home / part, taken / part)
    segment = next((taken / "log" / MODEL / "sealed" / "decisions").glob("*.parquet"))
    segment.unlink()
    environment = {**place.environment, "WINDVANE_HOME": str(taken)}
    for variable in ("WINDVANE_SIGNING_KEY", "WINDVANE_MASTER_KEY"):
        environment.pop(variable, None)
    command = [str(Path(sys.executable).parent / "windvane"), "audit", "verify"]
    caught = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert caught.returncode == 1
    assert f"{MODEL}/{segment.stem}" in caught.stdout
    place.windvane("deploy", MODEL)
