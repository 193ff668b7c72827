"""The control API about records: for whoever may, page by page or as a file, and every question on the log before."""

import asyncio
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.csv
import pyarrow.parquet
import pytest
from tritonclient.grpc import service_pb2 as messages

from tests.worlds.admin.world import AdminWorld, ControlClient
from tests.worlds.callers.keys import BOSS, key, knowing
from tests.worlds.gateway.conformity import Conformity
from tests.worlds.gateway.grpc_context import FakeContext
from tests.worlds.gateway.world import Reply
from tests.worlds.log.decision_log import FEATURES, decision, outcome, shadow, skip_syncs, written
from tests.worlds.log.vault import open_vault
from windvane.backtest.memory import MemoryRegistry, MemoryStore
from windvane.cluster.clock import Clock
from windvane.cluster.decision_log.audit.verify import verify
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import DENIED, DENY, Act
from windvane.cluster.decision_log.vault.personal import Protection
from windvane.cluster.decision_log.write.trail import TRAIL, Trail
from windvane.cluster.errors import Unavailable
from windvane.cluster.registry import Registration
from windvane.monitoring.loop.requests import Wanted, open_request
from windvane.serve_apps.admin.admin_audit import AdminAudit
from windvane.serve_apps.admin.openapi.document import document
from windvane.serve_apps.admin.records.records import RecordsAdmin
from windvane.serve_apps.admin.route_auth import RouteAuth
from windvane.serve_apps.admin.unknown_model_grpc import ROUTE, UnknownModelGrpc
from windvane.serve_apps.endpoints.refusal_log import RefusalLog

LOG = "flight-delay"
NARROW = "wv_" + "n" * 43  # a key for another model
PEOPLE = tuple(feature.model_copy(update={"personal": feature.name == "temp"}) for feature in FEATURES)
NOW = 1_800_000_000.0


class Consents:
    """Another place that holds something about people."""

    name = "consents"

    def __init__(self) -> None:
        self.held = {"Ana": {"lending": True}}
        self.name_of: Callable[[str], str] = str  # the records_admin's, as consents are kept under the log's name
        self.erased: list[str] = []

    def export(self, subject: str) -> Any:
        return self.held.get(subject)

    def erase(self, subject: str) -> None:
        self.held.pop(subject, None)
        self.erased.append(self.name_of(subject))


class Office:
    """Control over a log of six decisions about two people, of which version 1 was trained for a request."""

    def __init__(self, home: Path) -> None:
        self.home, self.logs = home, home / "log"
        vault = open_vault(home)
        plain = [
            msgspec.structs.replace(decision(f"d{n}", at=10.0 + n), subject="Ana" if n % 2 else "Ben", version=1)
            for n in range(6)
        ]
        protected = Protection(vault, PEOPLE).protect_all(plain)
        vault.flush()
        written(self.logs / LOG, *protected, outcome("d1"), shadow(["d1", "d2"]))
        self.vault = vault
        self.store, self.registry, self.consents = MemoryStore(), MemoryRegistry(), Consents()
        wanted = Wanted("findings", "temp drifts", ("feature_psi:temp",), datetime(2026, 3, 1, tzinfo=UTC))
        request, _ = open_request(self.store, LOG, wanted)
        tags = {"data_sha256": "ab12", "code_revision": "c0ffee", "source": "flights.csv"}
        self.registry.register(
            Registration(LOG, "ops", "temp drifts", "champion", None, request.request_id, {}, {}, tags), home
        )
        self.trail = Trail(self.logs, "control-1", Clock(lambda: NOW))
        records_admin = RecordsAdmin(
            self.logs, lambda: open_vault(home), self.trail, self.store, self.registry, [self.consents]
        )
        self.consents.name_of = records_admin.name_of
        world = AdminWorld()
        self.said: list[str] = []
        knows = knowing(key(NARROW, "operator", name="eve", models=("loans",)))
        audit = AdminAudit(self.trail, lambda model: model == LOG)
        route_auth = RouteAuth(knows, RefusalLog(self.said.append), audit)
        self.client = ControlClient(world, {}, route_auth=route_auth, records=records_admin)
        self.conformity = Conformity(document([], self.client.app.openapi()))

    def ask(self, path: str, body: Any = None, **headers: str) -> Reply:
        """A request with the owner's token; the reply is one that the document tells of."""
        method = "GET" if body is None else "POST"
        found = self.client.request(method, path, json=body, headers=headers or BOSS)
        reply = Reply(found.status_code, found.headers, found.content)
        assert self.conformity.of(method, path.partition("?")[0], reply) == []
        return reply

    def deny(self, name: str) -> None:
        """One more decision about Ana on the log, that policy denied before the model was asked."""
        denied = msgspec.structs.replace(
            decision(name, at=20.0),
            subject="Ana",
            version=0,
            arm=DENIED,
            prediction=None,
            action="",
            caller="teller",
            purpose="marketing",
            verdict=DENY,
            policies=("purpose",),
            policy_version="4f2a",
        )
        written(self.logs / LOG, *Protection(self.vault, PEOPLE).protect_all([denied]), opened_at=2.0)

    def acts(self) -> list[Act]:
        return [record for record in Tail(self.logs / TRAIL).read() if isinstance(record, Act)]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    skip_syncs(monkeypatch)
    return Office(tmp_path)


def test_pages_are_read_by_whoever_may_and_every_read_is_on_the_log(office: Office) -> None:
    seen, after = [], ""
    while True:
        page = office.ask(f"/api/decisions?model={LOG}&limit=4{after}").json
        seen += [each["decision_id"] for each in page["decisions"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == [f"d{n}" for n in range(6)]
    assert [(act.kind, act.who, act.model, act.facts["limit"]) for act in office.acts()] == [
        ("read", "boss", LOG, 4)
    ] * 2


def test_personal_fields_are_told_when_they_are_asked_for(office: Office) -> None:
    hidden = office.ask(f"/api/decisions?model={LOG}&decision_id=d1").json["decisions"]
    shown = office.ask(f"/api/decisions?model={LOG}&decision_id=d1&personal=true").json["decisions"]
    assert (hidden[0]["features"]["temp"], "Ana" in json.dumps(hidden)) == (None, False)
    assert (shown[0]["features"]["temp"], shown[0]["subject"]) == (20.5, "Ana")
    assert [act.facts["personal"] for act in office.acts()] == [False, True]


def test_exports_are_files_of_every_row(office: Office) -> None:
    found = office.ask(f"/api/decisions?model={LOG}&format=parquet&since=1970-01-01T00:00:12Z")
    assert pyarrow.parquet.read_table(io.BytesIO(found.body))["decision_id"].to_pylist() == ["d2", "d3", "d4", "d5"]
    found = office.ask(f"/api/decisions?model={LOG}&format=csv&personal=true")
    assert pyarrow.csv.read_csv(io.BytesIO(found.body))["subject"].to_pylist() == ["Ben", "Ana"] * 3


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("model=churn", 404),
        (f"model={LOG}&limit=0", 422),
        (f"model={LOG}&after=x", 422),
        (f"model={LOG}&verdict=maybe", 422),
    ],
)
def test_a_wrong_question_is_refused_in_a_sentence(office: Office, query: str, status: int) -> None:
    assert office.ask(f"/api/decisions?{query}").status == status


@pytest.mark.parametrize("path", [f"/api/decisions?model={LOG}", "/api/decisions/d1/lineage"])
def test_on_loopback_too_nobody_reads_without_the_token(office: Office, path: str) -> None:
    assert office.ask(path, authorization="Bearer guessed").status == 401
    assert [act.kind for act in office.acts()] == ["refused"]


def test_what_cannot_be_put_on_the_log_is_not_answered(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Act) -> None:
        raise Unavailable("the decision log cannot be written")

    monkeypatch.setattr(office.trail, "record", full)
    asked = {"subject": "Ana", "reason": "she asked"}
    assert office.ask(f"/api/decisions?model={LOG}").status == 503
    for verb in ("export", "erase"):
        assert office.ask(f"/api/privacy/{verb}", asked).status == 503
    assert office.consents.held == {"Ana": {"lending": True}}
    assert open_vault(office.home).erased() == frozenset()


def test_lineage_leads_from_a_decision_to_the_findings(office: Office) -> None:
    found = office.ask("/api/decisions/d1/lineage").json
    assert (found["version"], found["run"], found["data_sha256"]) == (1, f"run-{LOG}-1", "ab12")
    assert (found["code_revision"], found["cause"], found["findings"]) == ("c0ffee", "findings", ["feature_psi:temp"])
    assert (found["request"], found["policy"], found["split"]) == ("0001", None, 4)
    assert office.ask("/api/decisions/d77/lineage").status == 404


def test_what_was_denied_is_read_exported_and_led_back_as_far_as_it_came(office: Office) -> None:
    office.deny("d6")
    found = office.ask(f"/api/decisions?model={LOG}&verdict=deny").json["decisions"]
    assert [(each["decision_id"], each["version"], each["policies"]) for each in found] == [("d6", 0, ["purpose"])]
    assert office.acts()[-1].facts["verdict"] == "deny"
    exported = office.ask(f"/api/decisions?model={LOG}&format=csv")
    assert pyarrow.csv.read_csv(io.BytesIO(exported.body))["decision_id"].to_pylist()[-1] == "d6"
    lineage = office.ask("/api/decisions/d6/lineage").json
    assert (lineage["caller"], lineage["purpose"], lineage["verdict"]) == ("teller", "marketing", "deny")
    assert (lineage["policy"], lineage["version"], lineage["run"], lineage["findings"]) == ("4f2a", None, None, [])
    held = office.ask("/api/privacy/export", {"subject": "Ana", "reason": "she asked"}).json["models"][LOG]["decisions"]
    assert [each["decision_id"] for each in held] == ["d1", "d3", "d5", "d6"]


def test_an_export_holds_everything_and_only_of_that_subject(office: Office) -> None:
    found = office.ask("/api/privacy/export", {"subject": "Ana", "reason": "she asked"}).json
    log = found["models"][LOG]
    assert [(each["decision_id"], each["subject"], each["features"]["temp"]) for each in log["decisions"]] == [
        (name, "Ana", 20.5) for name in ("d1", "d3", "d5")
    ]
    assert [each["decision_id"] for each in log["outcomes"]] == ["d1"]
    assert [each["decision_id"] for each in log["shadows"]] == ["d1"]
    assert found["elsewhere"] == {"consents": {"lending": True}}
    assert [act["kind"] for act in found["acts"]] == ["exported"]
    assert office.ask("/api/privacy/export", {"subject": "Nobody", "reason": "x"}).json["models"] == {}


def test_an_erasure_ends_what_is_personal_and_the_log_still_holds(office: Office) -> None:
    erased = office.ask("/api/privacy/erase", {"subject": "Ana", "reason": "she asked"}).json
    hashed = open_vault(office.home).hash("Ana")
    assert (erased["number"], erased["keys"], erased["subject"]) == (1, 1, hashed)
    found = office.ask("/api/privacy/export", {"subject": "Ana", "reason": "is it gone?"}).json
    assert {(each["erased"], each["features"]["temp"]) for each in found["models"][LOG]["decisions"]} == {(True, None)}
    assert (found["elsewhere"], office.consents.erased) == ({}, [hashed])
    assert [act["kind"] for act in found["acts"]] == ["erasure_ordered", "erased", "exported"]
    assert verify(office.logs, office.home / "none", [], processes=1).faults == ()
    assert all(b"Ana" not in path.read_bytes() for path in office.logs.rglob("*.seg"))


def test_orders_are_on_the_log_before_they_are_carried_out_and_so_are_refusals(office: Office) -> None:
    stored = {"reason": "because"}
    assert office.client.post(f"/api/models/{LOG}/rollout/pause", json=stored, headers=BOSS).status_code == 404
    assert office.client.post(f"/api/models/{LOG}/retrain", json=stored).status_code == 401
    given, refused = office.acts()
    assert (given.kind, given.who, given.model, given.detail) == ("ordered", "boss", LOG, "because")
    assert given.facts == {"order": "POST /api/models/{model}/rollout/{verb}", "verb": "pause"}
    assert (refused.kind, refused.model, refused.facts) == (
        "refused",
        LOG,
        {"order": "POST /api/models/{model}/retrain"},
    )


def test_an_order_that_cannot_be_put_on_the_log_is_not_carried_out(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Act) -> None:
        raise Unavailable("the decision log cannot be written")

    monkeypatch.setattr(office.trail, "record", full)
    path, body = f"/api/models/{LOG}/retrain", {"reason": "because"}
    assert office.client.post(path, json=body, headers=BOSS).status_code == 503
    assert office.client.post(path, json=body).status_code == 401  # a refusal stands without a record


def test_a_reason_that_is_no_text_is_refused_and_on_the_log_as_it_was_sent(office: Office) -> None:
    """JSON can spell half of a surrogate pair, which no record can hold."""
    sent = {"content": b'{"reason": "\\ud800"}', "headers": BOSS | {"content-type": "application/json"}}
    assert office.client.post(f"/api/models/{LOG}/retrain", **sent).status_code == 422
    assert [(act.kind, act.detail) for act in office.acts()] == [("ordered", "\\ud800")]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/v2/models/Jane%20Doe/ready", "an unknown path"),
        ("GET", f"/v2/models/{LOG}/Jane%20Doe", "an unknown path"),
        ("GET", "/api/models/Jane%20Doe/versions", "/api/models/{model}/versions"),
        ("GET", f"/api/models/{LOG}/decisions/Jane%20Doe/explanation", "/{decision_id}/explanation"),
        ("POST", f"/api/models/{LOG}/rollout/Jane%20Doe", "/api/models/{model}/rollout/{verb}"),
        ("PUT", "/api/subjects/Jane%20Doe/consent", "/api/subjects/{subject:path}/consent"),
        ("POST", "/api/keys/Jane%20Doe/revoke", "/{key_id}/revoke"),
        ("POST", "/api/policies/Jane%20Doe/approve", "/{version}/approve"),
        ("GET", "/api/decisions/Jane%20Doe/lineage", "/{decision_id}/lineage"),
    ],
)
def test_a_name_in_a_mistaken_path_is_on_no_record(
    office: Office, caplog: pytest.LogCaptureFixture, method: str, path: str, route: str
) -> None:
    """A record outlives every erasure; a key, too, that is not good for a model was refused by the model's name."""
    for headers in {}, {"x-api-key": NARROW}:
        assert office.client.request(method, path, json={"reason": "x"}, headers=headers).status_code in (401, 403)
    acts = office.acts()
    assert [act.kind for act in acts] == ["refused", "refused"]
    assert all(str(act.facts["order"]).endswith(route) for act in acts)
    assert "Jane" not in f"{acts}{office.said}{caplog.text}"


def test_an_order_about_a_model_nobody_knows_is_recorded_without_its_name_unless_it_makes_it(office: Office) -> None:
    for path in ("/api/models/jane-doe/retrain", f"/api/models/{LOG}/retrain"):
        office.client.post(path, json={"reason": "because"}, headers=BOSS)
    for named in ("jane-doe", "other"):
        office.client.put("/api/models/jane-doe", json={"name": named}, headers=BOSS)
    assert [act.model for act in office.acts() if act.kind == "ordered"] == ["", LOG, "jane-doe", ""]


@pytest.mark.parametrize("verb", ["export", "erase"])
def test_the_subject_is_not_named_by_the_reason_that_is_recorded(office: Office, verb: str) -> None:
    asked = {"subject": "Ana", "reason": "ANA asked; Anabel did not"}
    assert office.ask(f"/api/privacy/{verb}", asked).status == 200
    reasons = [act.detail for act in office.acts() if act.kind != "erased"]
    assert reasons == ["the subject asked; Anabel did not"] * 2


def test_a_filter_that_is_no_decision_id_is_on_no_record(office: Office) -> None:
    mark = "12.5/01890a5d-ac96-774b-bcce-b302099a8057"
    for wanted in ("decision_id=Jane", "after=1.5/Jane", f"after={mark}", f"decision_id={mark.partition('/')[2]}"):
        assert office.ask(f"/api/decisions?model={LOG}&{wanted}").status == 200
    assert [(act.facts.get("decision_id"), act.facts.get("after")) for act in office.acts()] == [
        (None, None),
        (None, 1.5),
        (None, 12.5),
        (mark.partition("/")[2], None),
    ]


def test_who_is_refused_over_grpc_is_on_the_log(office: Office) -> None:
    unknown_model = UnknownModelGrpc(
        knowing(),
        RefusalLog(lambda _: None),
        True,
        lambda _: None,
        AdminAudit(office.trail, lambda name: name == "loans"),
    )
    asyncio.run(unknown_model.answer("loans", messages.ModelInferResponse(), FakeContext()))
    [act] = office.acts()
    assert (act.kind, act.who, act.model, act.facts) == ("refused", "", "loans", {"order": ROUTE})
    assert "Send your key" in act.detail
