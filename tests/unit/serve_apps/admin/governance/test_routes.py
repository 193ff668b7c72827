"""Policy sets and consents over HTTP: strict bodies, the owner's token, and refusals that say what to do."""

from typing import Any

import pytest

from tests.worlds.admin.world import AdminWorld, Client, ControlClient
from tests.worlds.callers.keys import BOSS
from tests.worlds.policies import PACKAGED, rule

HEADERS = BOSS
FILES = {**PACKAGED.files, "more.cedar": rule("forbid (principal, action, resource)", "nothing")}


@pytest.fixture
def api() -> Client:
    return ControlClient(AdminWorld())


def publish(api: Client, **changed: Any) -> Any:
    return api.post("/api/policies", json={"files": FILES, "reason": "freeze", **changed}, headers=HEADERS)


def test_a_set_is_published_looked_at_and_withdrawn(api: Client) -> None:
    asked = publish(api)
    assert (asked.status_code, asked.json()["standing"]["proposal"]["requested_by"]) == (202, "boss")
    version = asked.json()["standing"]["proposal"]["version"]
    assert api.get("/api/policies").json()["proposal"]["version"] == version
    refused = api.post(f"/api/policies/{version}/approve", json={"reason": "mine"}, headers=HEADERS)
    assert (refused.status_code, refused.json()["policies"]) == (403, ["four-eyes"])
    assert refused.json()["policy_version"] == PACKAGED.version
    gone = api.post(f"/api/policies/{version}/withdraw", json={"reason": "no"}, headers=HEADERS)
    assert gone.json()["standing"]["proposal"] is None
    assert api.post(f"/api/policies/{version}/withdraw", json={"reason": "no"}, headers=HEADERS).status_code == 404


@pytest.mark.parametrize(
    "changed",
    [
        {"files": {}},
        {"files": {"../x.cedar": ""}},
        {"files": {"x.txt": ""}},
        {"files": {"x.cedar": 7}},
        {"files": {"x.cedar": "permit ("}},
        {"files": {f"x{number}.cedar": "" for number in range(101)}},
        {"reason": ""},
        {"more": 1},
    ],
)
def test_what_is_no_policy_set_is_refused(api: Client, changed: dict[str, Any]) -> None:
    assert publish(api, **changed).status_code == 422
    assert api.get("/api/policies").json()["proposal"] is None


def test_every_problem_of_a_set_is_named_by_its_place(api: Client) -> None:
    problems = publish(api, files={**FILES, "x.cedar": "\npermit (principal"}).json()["errors"]
    assert problems[0]["pointer"] == "x.cedar:2"


@pytest.mark.parametrize("subject", ["ann-1", "a/b c", "Zoë"])
def test_a_consent_is_recorded_and_seen_by_whoever_has_a_key(api: Client, subject: str) -> None:
    path = f"/api/subjects/{subject}/consent"
    given = api.put(path, json={"purposes": {"marketing": True, "research": False}}, headers=HEADERS)
    assert given.status_code == 200, given.text
    seen = api.get(path, headers=HEADERS).json()["purposes"]
    assert {purpose: said["given"] for purpose, said in seen.items()} == {"marketing": True, "research": False}
    assert api.get(path, headers={"authorization": "Bearer none"}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"purposes": {}},
        {"purposes": {"marketing": "true"}},
        {"purposes": {"marketing": 1}},
        {"purposes": {"": True}},
        {"purposes": {"x" * 65: True}},
        {"purposes": {"marketing": True}, "model": "../x"},
        {"purposes": {"marketing": True}, "model": "no-such-model"},
    ],
)
def test_what_is_no_word_on_a_purpose_is_refused(api: Client, body: dict[str, Any]) -> None:
    assert api.put("/api/subjects/ann-2/consent", json=body, headers=HEADERS).status_code == 422
    assert api.get("/api/subjects/ann-2/consent", headers=HEADERS).json() == {"purposes": {}}
