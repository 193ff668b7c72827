"""Every route of the control API asks the policies in force first, and what they refuse is on record."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from fastapi.routing import APIRoute

from tests.worlds.admin.world import AdminWorld, Client, governance
from tests.worlds.callers.keys import BOSS, key, knowing
from tests.worlds.policies import PACKAGED, SCHEMA, rule
from tests.worlds.rollout.world import MODEL, SPEC
from windvane.backtest.memory import MemoryStore
from windvane.cluster.decision_log.write.trail import Trail
from windvane.cluster.policies.cedar_rules import compile_policies
from windvane.cluster.policies.policy_library import PolicyLibrary
from windvane.cluster.policies.policy_set import PolicySet
from windvane.serve_apps.admin.admin_audit import AdminAudit
from windvane.serve_apps.admin.app import make_app
from windvane.serve_apps.admin.key_admin import KeyAdmin
from windvane.serve_apps.admin.records.records import RecordsAdmin
from windvane.serve_apps.admin.route_auth import RouteAuth, roles_of
from windvane.serve_apps.endpoints.refusal_log import RefusalLog

MODELS = f"/api/models/{MODEL}"
DECLARATION = SPEC.model_dump(mode="json")
REASON = {"reason": "because"}
ABOUT_ANN = {"subject": "ann", **REASON}
OFFICER = "wv_" + "e" * 43
ASKED = [
    ("GET", MODELS, None, "view"),
    ("GET", f"{MODELS}/versions", None, "view"),
    ("GET", f"{MODELS}/versions/1/card", None, "view"),
    ("GET", f"{MODELS}/events", None, "view"),
    ("GET", f"{MODELS}/rollout", None, "view"),
    ("GET", f"{MODELS}/decisions/d1/explanation", None, "explain"),
    ("PUT", MODELS, DECLARATION, "deploy"),
    ("POST", f"{MODELS}/undeploy", REASON, "undeploy"),
    ("POST", f"{MODELS}/retrain", REASON, "train"),
    ("POST", f"{MODELS}/rollout", {"version": 1, **REASON}, "promote"),
    ("POST", f"{MODELS}/rollout/approve", {"version": 2, **REASON}, "approve"),
    ("POST", f"{MODELS}/rollout/reject", {"version": 2, **REASON}, "roll_back"),
    ("POST", f"{MODELS}/rollout/pause", REASON, "roll_back"),
    ("POST", f"{MODELS}/rollout/abort", REASON, "roll_back"),
    ("POST", f"{MODELS}/rollout/undo", REASON, "roll_back"),
    ("POST", f"{MODELS}/rollout/resume", REASON, "promote"),
    ("POST", f"{MODELS}/rollout/promote", REASON, "promote"),
    ("PUT", f"{MODELS}/pins", {"versions": [1]}, "promote"),
    ("GET", "/api/keys", None, "manage_keys"),
    ("POST", "/api/keys", {"name": "night-batch", "roles": ["client"]}, "manage_keys"),
    ("POST", "/api/keys/k1/revoke", REASON, "manage_keys"),
    ("GET", f"/api/decisions?model={MODEL}", None, "read_log"),
    ("GET", "/api/decisions/d1/lineage", None, "read_log"),
    ("POST", "/api/privacy/export", ABOUT_ANN, "export"),
    ("POST", "/api/privacy/erase", ABOUT_ANN, "erase"),
    ("POST", "/api/policies", {"files": dict(PACKAGED.files), **REASON}, "change_policy"),
    ("GET", "/api/subjects/ann/consent", None, "record_consent"),
    ("PUT", "/api/subjects/ann/consent", {"purposes": {"research": True}}, "record_consent"),
]
ASKED_OTHERWISE = {
    "/api/status",  # tells of what may be viewed
    "/metrics",
    "/openapi.json",
    "/docs",
    "/api/policies",  # standing: also where no set is in force that could say
    "/api/policies/{version}/approve",  # who asked is known once the set is found
    "/api/policies/{version}/withdraw",
}


class Untouched:
    """Nobody asks it anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for, and policy had refused it")


class Told:
    """Acts as they were told."""

    def __init__(self) -> None:
        self.acts: list[tuple[str, str, str, Mapping[str, object]]] = []

    def tell(
        self, kind: str, who: str, detail: str, model: str = "", facts: Mapping[str, object] | None = None
    ) -> None:
        self.acts.append((kind, who, detail, facts or {}))


class Office:
    """Control over one model whose rollout waits; whoever may do anything may not do what is forbidden."""

    def __init__(self) -> None:
        self.world, self.store, self.told = AdminWorld(), MemoryStore(), Told()
        route_auth = RouteAuth(
            knowing(key(OFFICER, "compliance", name="eve")),
            RefusalLog(lambda _: None),
            AdminAudit(cast(Trail, self.told), lambda model: model == MODEL),
        )
        records, keys = cast(RecordsAdmin, Untouched()), cast(KeyAdmin, Untouched())
        self.app = make_app(self.world.admins(keys, governance(self.store), records), route_auth)
        self.client = Client(self.app, BOSS)
        self._library = PolicyLibrary(self.store, compile_policies)

    def forbid(self, action: str) -> str:
        """Put a set in force that does, and return its version."""
        forbid = rule(f'forbid (principal, action == Action::"{action}", resource)', "frozen", "Not now.")
        files = {"anything.cedar": rule("permit (principal, action, resource)", "anything"), "frozen.cedar": forbid}
        return self.install(PolicySet({**files, "windvane.cedarschema": SCHEMA}))

    def install(self, written: PolicySet) -> str:
        self._library.install(written, "ann", "a test", datetime.now(UTC))
        return written.version


@pytest.fixture(scope="module")
def office() -> Office:
    made = Office()
    made.world.start_rollout()
    return made


@pytest.mark.parametrize(("method", "path", "body", "action"), ASKED)
def test_what_policy_refuses_is_not_done_and_is_on_record(
    office: Office, method: str, path: str, body: Any, action: str
) -> None:
    version, before = office.forbid(action), office.world.contents()
    reply = office.client.request(method, path, json=body)
    assert (reply.status_code, reply.json()["policies"]) == (403, ["frozen"]), reply.text
    assert reply.json()["policy_version"] == version
    kind, who, detail, facts = office.told.acts[-1]
    assert (kind, who, detail) == ("refused", "boss", "Not now.")
    assert (facts["policies"], facts["policy_version"]) == ("frozen", version)
    assert office.world.contents() == before


def test_there_is_no_route_that_asks_nobody(office: Office) -> None:
    """Whoever adds one adds it above, or says here why not."""
    asked = {(method, path.partition("?")[0]) for method, path, _, _ in ASKED}
    names = {"model": MODEL, "version": 1, "decision_id": "d1", "key_id": "k1", "subject": "ann"}
    for route in office.app.routes:
        assert isinstance(route, APIRoute)
        if roles_of(route) is None or route.path in ASKED_OTHERWISE:
            continue
        verbs = ("pause", "abort", "undo", "resume", "promote") if "{verb}" in route.path else ("",)
        for method in route.methods or ():
            for verb in verbs:
                assert (method, route.path_format.format(**names, verb=verb)) in asked, route.path


def test_what_may_not_be_viewed_is_left_out_of_what_is_about_all(office: Office) -> None:
    office.install(PACKAGED)
    for path in "/api/status", "/metrics":
        assert MODEL in office.client.get(path).text
    office.forbid("view")
    assert office.client.get("/api/status").json()["models"] == []
    assert MODEL not in office.client.get("/metrics").text


def test_without_a_set_in_force_only_its_standing_is_told(office: Office) -> None:
    unchecked = PolicyLibrary(office.store, lambda _: None)
    unchecked.install(PolicySet({"all.cedar": "permit ("}), "ann", "oops", datetime.now(UTC))
    for method, path, body, _ in ASKED:
        reply = office.client.request(method, path, json=body)
        assert (reply.status_code, "retry-after" in reply.headers) == (503, True), (method, path)
    assert office.client.get("/api/status").status_code == 503
    assert office.client.get("/api/policies").json()["live"]["reason"] == "oops"


def test_who_asked_for_a_rollout_is_refused_by_policy_and_a_second_person_is_not() -> None:
    office = Office()
    plan = {**DECLARATION["rollout"], "approval": "required"}
    assert office.client.put(MODELS, json=DECLARATION | {"rollout": plan}).status_code == 200
    order = {"version": office.world.register("candidate"), **REASON}
    assert office.client.post(f"{MODELS}/rollout", json=order).status_code == 202
    refused = office.client.post(f"{MODELS}/rollout/approve", json=order)
    assert (refused.status_code, refused.json()["policies"]) == (403, ["four-eyes"])
    approved = office.client.post(
        f"{MODELS}/rollout/approve", json=order, headers={"authorization": f"Bearer {OFFICER}"}
    )
    assert (approved.status_code, approved.json()["approval"]["approval"]["by"]) == (200, "eve")
