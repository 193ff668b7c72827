"""From a decision to its proof and to the end of what it says of a person, on a real Windvane and by its commands."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import Place, files_with, wait_for
from tests.e2e.people import (
    ANA,
    ASKED,
    DECLARATION,
    KNOWN,
    MODEL,
    MODEL_PATH,
    OTHERS,
    answer,
    copied,
    decide,
    declared,
    gathered,
    held_of,
    holds,
    page,
    windvane,
)
from tests.e2e.traffic import declare
from tests.e2e.untrained import register
from tests.e2e.world import instance, learnt
from tests.worlds.bundles import make_bundle
from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.decision_log.audit.checkpoint import fingerprint
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.configs.load import load_settings

FULL_BYTES = 64  # a file may not grow beyond: less than the first bytes of a segment


@pytest.fixture(scope="module")
def deployed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    declare(place, MODEL, DECLARATION, KNOWN)
    spec = declared(place)
    folder = tmp_path_factory.mktemp(MODEL)
    register(place, spec, make_bundle(folder, 1, spec, learnt(KNOWN, spec.features)))
    place.windvane("deploy", MODEL)
    wait_for(MODEL, lambda: place.http.get(f"{MODEL_PATH}/ready").status_code == 200)
    yield place
    place.windvane("undeploy", MODEL, check=False)  # mostly done before, by `retired`


@pytest.fixture(scope="module")
def about_ana(deployed: Place) -> list[str]:
    """Decisions about her, among others, whose outcomes are known; all of them before she is erased."""
    place = deployed
    body = {"instances": [instance(row) | {"purpose": "service"} for row in ASKED]}
    reply = place.http.post(f"{MODEL_PATH}/decide", json=body)
    assert reply.status_code == 200, reply.text
    names = [each["decision_id"] for each in reply.json()["decisions"]]
    known = [{"decision_id": name, "label": row.label} for name, row in zip(names, ASKED, strict=True)]
    assert place.http.post(f"{MODEL_PATH}/outcomes", json={"outcomes": known}).status_code == 200
    return [name for name, row in zip(names, ASKED, strict=True) if row.subject == ANA]


@pytest.fixture(scope="module")
def before_erasure(deployed: Place, about_ana: list[str]) -> list[dict[str, Any]]:
    """Decisions held of her; she is erased after that."""
    held = json.loads(deployed.windvane("privacy", "export", ANA))["models"][MODEL]["decisions"]
    said = deployed.windvane("privacy", "erase", ANA, "--reason", "she asked", "--yes")
    assert "1 keys are destroyed" in said
    return list(held)


@pytest.fixture(scope="module")
def retired(deployed: Place, before_erasure: list[dict[str, Any]]) -> Place:
    """Out of service: its writer lets go, so that its segment is sealed now and not in five minutes."""
    deployed.windvane("undeploy", MODEL)
    return deployed


def test_what_was_asked_denied_and_reported_is_shown_to_who_may_see_it(deployed: Place) -> None:
    place = deployed
    row = OTHERS[0]
    name = decide(place, row).json()["decision_id"]
    denied = decide(place, row, purpose="marketing")
    assert denied.status_code == 403
    [refused] = denied.json()["decision_ids"]
    made = place.http.post("/api/keys", json={"name": "registry-office", "roles": ["client"]}).json()
    office = {"authorization": f"Bearer {made['key']}"}
    told = {"decision_id": name, "kpis": {"cost": 2.5}}
    assert place.http.post(f"{MODEL_PATH}/outcomes", json=told, headers=office).status_code == 200

    assert {name, refused} <= {each["decision_id"] for each in page(place)}
    assert [each["decision_id"] for each in page(place, verdict="deny")] == [refused]
    export = place.http.get("/api/decisions", params={"model": MODEL, "format": "csv", "personal": True})
    assert all(each in export.text for each in (name, refused, row.subject))
    assert place.http.get("/api/decisions", params={"model": MODEL}, headers=office).status_code == 403
    asked = answer(place, MODEL, f"select verdict, version from asked where decision_id = '{refused}'")
    assert asked == [{"verdict": "deny", "version": 0}]
    assert answer(place, MODEL, "select caller from outcomes where caller <> ''")[0] == {"caller": "registry-office"}

    found, stopped = (json.loads(place.windvane("lineage", each, "--json")) for each in (name, refused))
    assert (found["version"], found["arm"], found["purpose"], found["verdict"]) == (1, "champion", "service", "allow")
    assert (stopped["version"], stopped["purpose"], stopped["policies"]) == (None, "marketing", ["purpose"])
    assert found["caller"] == stopped["caller"]
    assert found["policy"] == stopped["policy"] == place.http.get("/api/policies").json()["live"]["version"]
    assert "denied before a model was asked" in place.windvane("explain", refused, "--model", MODEL, check=False)
    reads = answer(place, "control", "select who, facts from acts where kind = 'read'")
    assert sum(refused in each["facts"] for each in reads) >= 2


def test_on_a_full_disk_nothing_is_answered_and_nothing_was_lost(deployed: Place) -> None:
    """No file of the replica may grow: what the kernel then says is what it says of a full disk."""
    place = deployed
    (replica,) = place.processes(f"ServeReplica:{MODEL}")
    answered = [decide(place, row) for row in OTHERS]
    before = [each["decision_id"] for each in page(place)]
    unlimited = replica.rlimit(psutil.RLIMIT_FSIZE)
    replica.rlimit(psutil.RLIMIT_FSIZE, (FULL_BYTES, unlimited[1]))
    try:
        refused = [decide(place, row) for row in OTHERS]  # of subjects that are known: the vault has nothing to write
        refused.append(decide(place, OTHERS[0], purpose="marketing"))
        told = {"decision_id": answered[0].json()["decision_id"], "kpis": {"cost": 1}}
        refused.append(place.http.post(f"{MODEL_PATH}/outcomes", json=told))
    finally:
        replica.rlimit(psutil.RLIMIT_FSIZE, unlimited)
    assert {reply.status_code for reply in refused} == {503}, [reply.text for reply in refused]
    assert all("the decision log cannot be written" in reply.text for reply in refused)
    assert {reply.headers["retry-after"] for reply in refused} == {"1"}
    assert [each["decision_id"] for each in page(place)] == before
    again = decide(place, OTHERS[0])
    assert again.status_code == 200, again.text
    assert [each["decision_id"] for each in page(place)] == [*before, again.json()["decision_id"]]
    assert {reply.json()["decision_id"] for reply in answered} <= set(before)
    assert "nothing was changed" in place.windvane("audit", "verify")


def test_a_person_is_erased_and_the_log_still_holds(
    deployed: Place, about_ana: list[str], before_erasure: list[dict[str, Any]]
) -> None:
    place = deployed
    told = [(ANA, row.features["amount"], row.features["region"]) for row in ASKED if row.subject == ANA]
    assert {
        each["decision_id"]: (each["subject"], each["features"]["amount"], each["features"]["region"])
        for each in before_erasure
    } == dict(zip(about_ana, told, strict=True))

    held = held_of(place, ANA)
    assert sorted(each["decision_id"] for each in held) == sorted(about_ana)
    assert {(each["erased"], each["features"]["amount"], each["features"]["region"]) for each in held} == {
        (True, None, None)
    }
    assert files_with(place.home, ANA) == []
    assert "was erased" in place.windvane("explain", about_ana[0], "--model", MODEL, check=False)
    assert "is the one on record" in place.windvane("policy", "explain", MODEL, about_ana[0])
    assert not any(each["erased"] for each in held_of(place, ASKED[1].subject))
    ana = next(row for row in ASKED if row.subject == ANA)
    wait_for(
        "the replica to forget",
        lambda: decide(place, ana, id="order-1").status_code == 200 and not held_of(place, ANA)[-1]["erased"],
    )
    assert "nothing was changed" in place.windvane("audit", "verify")


def test_the_next_version_has_learnt_no_row_of_whoever_was_erased(retired: Place, tmp_path: Path) -> None:
    place = retired
    place.windvane("train", MODEL)
    settings = load_settings(place.environment)
    newest = MlflowRegistry(settings.mlflow_uri, settings.artifacts).versions(MODEL)[-1]
    assert (newest.number, int(newest.tags["erased_subjects"]) >= 1) == (2, True)
    everybody = [*KNOWN, *ASKED]
    without = [row for row in everybody if row.subject != ANA]
    assert newest.metrics["rows"] == len(without) < len(everybody)
    assert newest.tags["data_sha256"] == gathered(place, tmp_path / "without.csv", without).digest()
    assert newest.tags["data_sha256"] != gathered(place, tmp_path / "with.csv", everybody).digest()
    assert files_with(place.home, ANA) == []


def test_a_sealed_decision_is_proven_where_there_is_no_windvane(
    retired: Place, about_ana: list[str], tmp_path: Path
) -> None:
    place, name = retired, about_ana[0]
    proof = tmp_path / "proof.json"

    def proven() -> bool:
        with proof.open("wb") as file:
            return windvane(place.environment, "audit", "prove", name, stdout=file).returncode == 0

    wait_for("a checkpoint over the sealed segment", proven, 150.0)
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("WINDVANE_", "RAY_"))}
    key = fingerprint(AuditPaths(load_settings(place.environment)).public_key())
    check = [sys.executable, "-m", "windvane.cluster.decision_log.audit.verify", "proof.json", "--fingerprint"]

    def checked(by: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*check, by], cwd=tmp_path, env=bare, capture_output=True, text=True, timeout=60)

    said = checked(key)
    assert (said.returncode, f"Decision {name} is record" in said.stdout) == (0, True), said.stderr
    assert checked("00" * 32).returncode == 1
    proof.write_text(json.dumps({**json.loads(proof.read_text()), "log": "another"}))
    assert checked(key).returncode == 1
    assert list(tmp_path.iterdir()) == [proof]
    *_, last = (place.home / "audit" / "checkpoints.jsonl").read_text().splitlines()
    in_force = place.http.get("/api/policies").json()["live"]["version"]
    assert json.loads(json.loads(last)["body"])["policies"]["in_force"] == in_force


def test_whatever_is_tampered_with_is_named(retired: Place, about_ana: list[str], tmp_path: Path) -> None:
    """A cell of a sealed segment, a byte of a live one and a checkpoint, of a copy: the Windvane itself goes on."""
    place, taken = retired, tmp_path / "home"
    own = ("WINDVANE_SIGNING_KEY", "WINDVANE_MASTER_KEY", "WINDVANE_CHECKPOINT_COPY")
    environment = {name: value for name, value in place.environment.items() if name not in own}
    environment["WINDVANE_HOME"] = str(taken)
    page(place)  # a read is an act, so control has a live segment
    wait_for("a copy in which nothing was changed", lambda: copied(place.home, taken) and holds(environment))

    sealed = (taken / "log" / MODEL / "sealed" / "decisions").glob("*.parquet")
    tables = ((path, pq.read_table(path)) for path in sealed)
    segment, table = next(found for found in tables if about_ana[0] in found[1]["decision_id"].to_pylist())
    place_of_prediction = table.column_names.index("prediction")
    predictions = table["prediction"].to_pylist()
    row = table["decision_id"].to_pylist().index(about_ana[0])
    predictions[row] = 0.999
    field = table.schema.field("prediction")
    changed = table.set_column(place_of_prediction, field, pa.array(predictions, field.type))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), segment)
    live = next((taken / "log" / "control" / "live").glob("*.seg"))
    content = bytearray(live.read_bytes())
    written = len(content.rstrip(b"\0"))  # the rest is room that was reserved
    content[3 * written // 4] ^= 1  # beyond its header
    live.write_bytes(content)
    checkpoints = taken / "audit" / "checkpoints.jsonl"
    checkpoints.write_text(checkpoints.read_text().replace(r"\"registry\":\"", r"\"registry\":\"0", 1))

    said = windvane(environment, "audit", "verify")
    assert said.returncode == 1
    lines = said.stdout.decode().splitlines()
    position = table["position"].to_pylist()[row]
    assert any(
        line.startswith(f"changed: {MODEL}/{segment.stem} record {position} (decision {about_ana[0]}): prediction")
        for line in lines
    ), lines
    assert any(f": control/{live.stem} record " in line for line in lines), lines
    assert "forged: checkpoint 1: its signature is not of its text" in lines
