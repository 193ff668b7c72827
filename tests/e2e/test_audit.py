"""From a decision to its proof and to the end of what it says of a person, on a real Windvane and by its commands."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.audit_place import AuditPlace
from cluster.decision_log.checkpoint import fingerprint
from cluster.mlflow_registry import MlflowRegistry
from configs.load import load_model, load_settings
from configs.schema import ModelSpec
from tests.bundles import make_bundle
from tests.e2e.conftest import Place, wait_for
from tests.e2e.test_loop import declare
from tests.e2e.untrained import register
from tests.e2e.world import REGIONS, START, Row, days, instance, learnt, rows, write_csv
from training.data import Examples, gather

MODEL, ANA = "audited", "Ana Example"
DOOR = f"/v2/models/{MODEL}"
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
training: {{trials: 1, tune_budget: 5s, max_rounds: 10, windows: [all], bootstrap: 20}}
serving: {{min_replicas: 1, max_replicas: 1, num_cpus: 0.05}}
"""
FULL_BYTES = 64  # a file may not grow beyond: less than the first bytes of a segment


def of_ana(found: Sequence[Row], every: int) -> list[Row]:
    """The rows, some of which are about Ana."""
    return [replace(row, subject=ANA) if place % every == 0 else row for place, row in enumerate(found)]


KNOWN = of_ana(rows(600, START, START + days(30), seed=21), every=40)  # what stands in the source
ASKED = of_ana(rows(24, START + days(40), START + days(50), seed=22), every=3)  # decided, and their outcomes told
OTHERS = rows(8, START + days(60), START + days(61), seed=23)  # decided, and nothing known of them since


def declared(place: Place) -> ModelSpec:
    return load_model(MODEL, load_settings(place.environment))


@pytest.fixture(scope="module")
def deployed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    declare(place, MODEL, DECLARATION, KNOWN)
    spec = declared(place)
    folder = tmp_path_factory.mktemp(MODEL)
    register(place, spec, make_bundle(folder, 1, spec, learnt(KNOWN, spec.features)))
    place.windvane("deploy", MODEL)
    wait_for(MODEL, lambda: place.http.get(f"{DOOR}/ready").status_code == 200)
    yield place
    place.windvane("undeploy", MODEL, check=False)  # mostly done before, by `retired`


@pytest.fixture(scope="module")
def about_ana(deployed: Place) -> list[str]:
    """Decisions about her, among others, whose outcomes are known; all of them before she is erased."""
    place = deployed
    body = {"instances": [instance(row) | {"purpose": "service"} for row in ASKED]}
    reply = place.http.post(f"{DOOR}/decide", json=body)
    assert reply.status_code == 200, reply.text
    names = [each["decision_id"] for each in reply.json()["decisions"]]
    known = [{"decision_id": name, "label": row.label} for name, row in zip(names, ASKED, strict=True)]
    assert place.http.post(f"{DOOR}/outcomes", json={"outcomes": known}).status_code == 200
    return [name for name, row in zip(names, ASKED, strict=True) if row.subject == ANA]


@pytest.fixture(scope="module")
def before_erasure(deployed: Place, about_ana: list[str]) -> list[dict[str, Any]]:
    """What was held of her; she is erased after that."""
    held = json.loads(deployed.windvane("privacy", "export", ANA))["models"][MODEL]["decisions"]
    said = deployed.windvane("privacy", "erase", ANA, "--reason", "she asked", "--yes")
    assert "1 keys are destroyed" in said
    return list(held)


@pytest.fixture(scope="module")
def retired(deployed: Place, before_erasure: list[dict[str, Any]]) -> Place:
    """Out of service: its writer lets go, so that its segment is sealed now and not in five minutes."""
    deployed.windvane("undeploy", MODEL)
    return deployed


def decide(place: Place, row: Row, **more: Any) -> httpx.Response:
    return place.http.post(f"{DOOR}/decide", json=instance(row) | {"purpose": "service"} | more)


def page(place: Place, **wanted: Any) -> list[dict[str, Any]]:
    """What compliance is shown."""
    reply = place.http.get("/api/decisions", params={"model": MODEL, "limit": 1000, **wanted})
    assert reply.status_code == 200, reply.text
    return list(reply.json()["decisions"])


def held_of(place: Place, subject: str) -> list[dict[str, Any]]:
    reply = place.http.post("/api/privacy/export", json={"subject": subject, "reason": "a test"})
    return list(reply.json()["models"][MODEL]["decisions"])


def answer(place: Place, model: str, sql: str) -> list[dict[str, Any]]:
    """What `windvane decisions` writes."""
    file = place.home.parent / "answer.json"
    place.windvane("decisions", model, "--sql", sql, "--out", str(file))
    return list(json.loads(file.read_text()))


def files_with(folder: Path, text: bytes) -> list[Path]:
    """Files that say it somewhere."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and text in path.read_bytes():
                found.append(path)
        except OSError:  # gone meanwhile, or a socket's
            continue
    return found


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
    assert place.http.post(f"{DOOR}/outcomes", json=told, headers=office).status_code == 200

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
        refused.append(place.http.post(f"{DOOR}/outcomes", json=told))
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
    assert [each["decision_id"] for each in before_erasure] == about_ana
    told = [(ANA, row.features["amount"], row.features["region"]) for row in ASKED if row.subject == ANA]
    assert [
        (each["subject"], each["features"]["amount"], each["features"]["region"]) for each in before_erasure
    ] == told

    held = held_of(place, ANA)
    assert [each["decision_id"] for each in held] == about_ana
    assert {(each["erased"], each["features"]["amount"], each["features"]["region"]) for each in held} == {
        (True, None, None)
    }
    assert files_with(place.home, ANA.encode()) == []
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
    assert files_with(place.home, ANA.encode()) == []


def gathered(place: Place, file: Path, found: list[Row]) -> Examples:
    """What a version learns from these rows and nothing else."""
    write_csv(file, found)
    spec = declared(place)
    return gather(spec.model_copy(update={"data": spec.data.model_copy(update={"source": str(file)})}))


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
    key = fingerprint(AuditPlace(load_settings(place.environment)).public_key())
    check = [sys.executable, "-m", "cluster.decision_log.verify", "proof.json", "--fingerprint"]

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
    assert json.loads(json.loads(last)["body"])["policies"]["in force"] == in_force


def test_whatever_is_tampered_with_is_named(retired: Place, about_ana: list[str], tmp_path: Path) -> None:
    """A cell of a sealed segment, a byte of a live one and a checkpoint, of a copy: the Windvane itself goes on."""
    place, taken = retired, tmp_path / "home"
    own = ("WINDVANE_SIGNING_KEY", "WINDVANE_MASTER_KEY", "WINDVANE_CHECKPOINT_COPY")
    environment = {name: value for name, value in place.environment.items() if name not in own}
    environment["WINDVANE_HOME"] = str(taken)
    page(place)  # a read is an act, so control has a live segment
    wait_for("a copy in which nothing was changed", lambda: copied(place.home, taken) and holds(environment))

    segment = next((taken / "log" / MODEL / "sealed" / "decisions").glob("*.parquet"))
    table = pq.read_table(segment)
    place_of_prediction = table.column_names.index("prediction")
    predictions = table["prediction"].to_pylist()
    row = table["decision_id"].to_pylist().index(about_ana[0])
    predictions[row] = 0.999
    field = table.schema.field("prediction")
    changed = table.set_column(place_of_prediction, field, pa.array(predictions, field.type))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), segment)
    live = next((taken / "log" / "control" / "live").glob("*.seg"))
    content = bytearray(live.read_bytes())
    content[3 * len(content) // 4] ^= 1  # beyond its header
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
