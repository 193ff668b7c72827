"""Policies and consents on a running Windvane: in force everywhere without a restart, and everything on record."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Place, wait_for
from tests.e2e.untrained import untrained
from tests.worlds.bundles import SPEC
from tests.worlds.gateway.world import FEATURES
from tests.worlds.policies import FOLDER, rule
from windvane.configs.schema import Purpose

MODEL = "policy-e2e"
PURPOSES = (Purpose(name="planning", consent=False), Purpose(name="research"))
CHANGES = 20


@pytest.fixture(scope="module")
def endpoint(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    spec = SPEC.model_copy(update={"name": MODEL, "purposes": PURPOSES})
    with untrained(place, spec, tmp_path_factory.mktemp(MODEL)) as found:
        yield found


def decide(place: Place, endpoint: str, purpose: str | None, subject: str = "N1") -> httpx.Response:
    asked: dict[str, Any] = {"subject": subject, "features": FEATURES}
    return place.http.post(f"{endpoint}/decide", json=asked if purpose is None else {**asked, "purpose": purpose})


def say(place: Place, subject: str, given: bool) -> None:
    reply = place.http.put(f"/api/subjects/{subject}/consent", json={"purposes": {"research": given}})
    assert reply.status_code == 200, reply.text


def test_an_undeclared_purpose_is_denied_on_record_and_judged_again_the_same(place: Place, endpoint: str) -> None:
    assert decide(place, endpoint, "planning").status_code == 200
    for purpose in ("marketing", None):
        denied = decide(place, endpoint, purpose)
        assert (denied.status_code, denied.json()["policies"]) == (403, ["purpose"])
    [name] = denied.json()["decision_ids"]
    sql = f"select verdict, caller, policy_version from denials where decision_id = '{name}'"
    out = place.home / "denied.json"
    place.windvane("decisions", MODEL, "--sql", sql, "--out", str(out))
    [row] = json.loads(out.read_text())
    assert (row["verdict"], row["policy_version"]) == ("deny", denied.json()["policy_version"])
    explained = place.windvane("policy", "explain", MODEL, name)
    assert "deny by purpose" in explained
    assert "The outcome is the one on record." in explained


def test_a_consent_that_is_withdrawn_counts_for_the_very_next_request(place: Place, endpoint: str) -> None:
    assert decide(place, endpoint, "research", "ann").status_code == 403
    took = []
    for given in (True, False) * CHANGES:
        start = time.monotonic()
        say(place, "ann", given)
        took.append(time.monotonic() - start)
        assert decide(place, endpoint, "research", "ann").status_code == (200 if given else 403)
    assert sorted(took)[CHANGES] < 0.5, took  # by long poll, not by polling
    assert decide(place, endpoint, "research", "bob").status_code == 403


def test_a_policy_set_waits_for_a_second_person(place: Place, endpoint: str, tmp_path: Path) -> None:
    folder = _stricter(tmp_path)
    said = place.windvane("policy", "publish", str(folder), "--reason", "freeze")
    assert "waits for a second person" in said
    version = place.http.get("/api/policies").json()["proposal"]["version"]
    assert "let somebody else approve it" in place.windvane("policy", "approve", version, check=False)
    assert decide(place, endpoint, "planning").status_code == 200
    place.windvane("policy", "withdraw", version, "--reason", "not now")
    assert place.http.get("/api/policies").json()["proposal"] is None


def test_two_people_with_a_key_each_bring_a_set_into_force_and_out_of_it(
    place: Place, endpoint: str, tmp_path: Path
) -> None:
    replicas = {process.pid for process in place.processes(f"ServeReplica:{MODEL}")}
    made = place.http.post("/api/keys", json={"name": "eve", "roles": ["compliance"]})
    assert made.status_code == 201, made.text
    eve = {"authorization": f"Bearer {made.json()['key']}"}
    before = place.http.get("/api/policies").json()["live"]
    for folder, status in ((_stricter(tmp_path), 403), (FOLDER, 200)):
        place.windvane("policy", "publish", str(folder), "--reason", "a test")
        version = place.http.get("/api/policies").json()["proposal"]["version"]
        mine = place.http.post(f"/api/policies/{version}/approve", json={"reason": "mine"})
        assert (mine.status_code, mine.json()["policies"]) == (403, ["four-eyes"])
        approved = place.http.post(f"/api/policies/{version}/approve", json={"reason": "read it"}, headers=eve)
        assert (approved.status_code, approved.json()["replicas_told"]) == (200, True), approved.text
        assert decide(place, endpoint, "planning").status_code == status  # the very next request, on every replica
    live = place.http.get("/api/policies").json()["live"]
    assert (live["version"], live["number"], live["approved_by"]) == (before["version"], before["number"] + 2, "eve")
    assert {process.pid for process in place.processes(f"ServeReplica:{MODEL}")} == replicas
    counted = f'windvane_denials_total{{model="{MODEL}",reason="frozen"}} 1.0'
    wait_for(counted, lambda: counted in place.http.get("/metrics").text, 20.0)


def test_an_order_that_policy_refuses_is_on_record_with_the_policy(place: Place, endpoint: str, tmp_path: Path) -> None:
    made = place.http.post("/api/keys", json={"name": "ops", "roles": ["operator"], "models": [MODEL]})
    ops = {"authorization": f"Bearer {made.json()['key']}"}
    forbid = rule(f'forbid (principal, action == Action::"train", resource == Model::"{MODEL}")', "no-training", "No.")
    place.windvane("policy", "install", str(_stricter(tmp_path, forbid)), "--reason", "a test")
    try:
        refused = place.http.post(f"/api/models/{MODEL}/retrain", json={"reason": "why not"}, headers=ops)
        assert (refused.status_code, refused.json()["policies"]) == (403, ["no-training"])
    finally:
        place.windvane("policy", "install", str(FOLDER), "--reason", "after the test")
    sql = "select who, detail, json_extract_string(facts, '$.policies') as policies from acts where kind = 'refused'"
    out = place.home / "refused.json"
    place.windvane("decisions", "control", "--sql", f"{sql} and who = 'ops'", "--out", str(out))
    assert json.loads(out.read_text()) == [{"who": "ops", "detail": "No.", "policies": "no-training"}]


def test_a_policy_set_reaches_the_replicas_without_a_restart(place: Place, endpoint: str, tmp_path: Path) -> None:
    replicas = {process.pid for process in place.processes(f"ServeReplica:{MODEL}")}
    place.windvane("policy", "install", str(_stricter(tmp_path)), "--reason", "a test")
    try:
        wait_for("the stricter set", lambda: decide(place, endpoint, "planning").status_code == 403, 10.0)
        assert decide(place, endpoint, "planning").json()["policies"] == ["frozen"]
    finally:
        place.windvane("policy", "install", str(FOLDER), "--reason", "after the test")
        wait_for("the packaged set", lambda: decide(place, endpoint, "planning").status_code == 200, 10.0)
    assert {process.pid for process in place.processes(f"ServeReplica:{MODEL}")} == replicas


def _stricter(
    tmp_path: Path,
    forbid: str = rule(f'forbid (principal, action == Action::"decide", resource == Model::"{MODEL}")', "frozen"),
) -> Path:
    """The packaged set with one rule more, about this test's model alone."""
    folder = shutil.copytree(FOLDER, tmp_path / "policies")
    (folder / "frozen.cedar").write_text(forbid)
    return folder
