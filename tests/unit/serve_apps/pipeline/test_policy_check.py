"""Policy on the decision path: before the model and after it, on record either way, and never open by accident."""

from pathlib import Path
from typing import Any

import pytest
from tritonclient.grpc import service_pb2 as messages

from tests.worlds.callers.keys import BOSS
from tests.worlds.gateway.governed import GOVERNED, ROW, ask
from tests.worlds.gateway.grpc_context import FakeContext
from tests.worlds.gateway.world import DECIDE, OUTCOMES, asked, champion, gateway
from tests.worlds.policies import PACKAGED, cedar, rule
from windvane.cluster.decision_log.record import DENIED, Decision
from windvane.cluster.errors import Denied
from windvane.cluster.policies.cedar_policy import CedarPolicy
from windvane.cluster.policies.mandate import digest_of, mandate_of
from windvane.cluster.policies.policy import CallerFacts
from windvane.serve_apps.endpoints.oip_grpc import OipGrpc
from windvane.serve_apps.protocol.question import Question
from windvane.serve_apps.versions.loaded_version import LoadedVersion

INFER = "/v2/models/trips/infer"


def frozen(action: str) -> CedarPolicy:
    """Whoever may do anything may not do this."""
    forbid = rule(f'forbid (principal, action == Action::"{action}", resource)', "frozen", "Not now.")
    return cedar(rule("permit (principal, action, resource)", "anything"), forbid)


def test_a_permitted_purpose_is_decided_and_all_that_judged_it_is_on_record(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        caller = CallerFacts("shop", frozenset({"owner", "client"}), frozenset({"trips", "bus"}))
        ask(world, Question("N1", ROW, purpose="planning"), caller=caller)
        [decision] = world.decisions
        assert (decision.caller, decision.roles, decision.scope) == ("shop", ("client", "owner"), ("bus", "trips"))
        assert (decision.purpose, decision.consent, decision.verdict) == ("planning", None, "allow")
        assert (decision.policies, decision.policy_version) == (("clients-decide", "act"), PACKAGED.version)
        assert decision.mandate == digest_of(mandate_of(GOVERNED))


def test_another_purpose_is_denied_on_record_and_no_model_is_asked(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        reply = world.ask(DECIDE, asked(purpose="marketing", id="k"))
        assert reply.status == 403
        assert reply.headers["content-type"] == "application/problem+json"
        problem = reply.json
        assert problem["type"] == "urn:windvane:problem:denied-by-policy"
        assert problem["detail"] == "This model's decisions may not be used for this purpose."
        assert (problem["policies"], problem["policy_version"]) == (["purpose"], PACKAGED.version)
        [denial] = world.decisions
        assert problem["decision_ids"] == [denial.decision_id]
        assert (denial.verdict, denial.arm, denial.version, denial.prediction, denial.action) == (
            *("deny", DENIED, 0, None),
            "",
        )
        assert (denial.purpose, denial.policies, denial.subject) == ("marketing", ("purpose",), "N725MQ")
        assert (denial.features, denial.reasons, denial.request_id) == (ROW, (problem["detail"],), "k")
        world.quiet()
        assert (world.counts.added, world.counts.denials) == ([], ["purpose"])


@pytest.mark.parametrize("purpose", [{}, {"purpose": "Planning"}, {"purpose": "planning "}])
def test_a_purpose_is_named_as_it_is_declared(
    versions: dict[int, LoadedVersion], tmp_path: Path, purpose: dict[str, str]
) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        assert world.ask(DECIDE, asked(**purpose)).status == 403


@pytest.mark.parametrize("purpose", ["", 7, "x" * 65, ["planning"], "\ud800"])
def test_a_purpose_that_is_no_short_text_is_named(
    versions: dict[int, LoadedVersion], tmp_path: Path, purpose: object
) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        reply = world.ask(DECIDE, asked(purpose=purpose))
        assert reply.status in (400, 422)
        assert world.decisions == []


@pytest.mark.parametrize(("word", "status"), [(True, 200), (False, 403), (None, 403)])
def test_consent_is_asked_for_where_the_purpose_needs_it(
    versions: dict[int, LoadedVersion], tmp_path: Path, word: bool | None, status: int
) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        if word is not None:
            world.consents["N1", "research"] = word
        assert world.ask(DECIDE, asked("N1", purpose="research")).status == status
        assert world.decisions[0].consent is word


def test_a_consent_that_is_withdrawn_counts_for_the_next_request(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        for word, status in ((True, 200), (False, 403), (True, 200)):
            world.consents["N1", "research"] = word
            assert world.ask(DECIDE, asked("N1", purpose="research", id="same")).status == status


def test_a_replica_that_may_have_missed_a_withdrawal_asks_to_come_again(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        world.consents["N1", "research"] = True
        world.is_fresh = False
        reply = world.ask(DECIDE, asked("N1", purpose="research"))
        assert (reply.status, "retry-after" in reply.headers) == (503, True)
        assert world.ask(DECIDE, asked("N1", purpose="planning")).status == 200  # which nobody's consent is needed for


def test_one_denied_instance_denies_them_all_and_only_it_is_on_record_as_denied(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        instances = [asked(str(n), purpose="marketing" if n in (1, 3) else "planning") for n in range(4)]
        reply = world.ask(DECIDE, {"instances": instances})
        assert reply.status == 403
        assert [(each.subject, each.verdict) for each in world.decisions] == [("1", "deny"), ("3", "deny")]
        assert reply.json["decision_ids"] == [each.decision_id for each in world.decisions]


def test_a_denial_that_cannot_be_logged_is_unavailable(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        world.log.refusal = "the disk is full"
        assert world.ask(DECIDE, asked(purpose="marketing")).status == 503
        assert world.counts.denials == []


def test_who_may_not_decide_is_denied(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        for caller in (
            CallerFacts("ops", frozenset({"operator"})),
            CallerFacts("nobody", frozenset()),
            CallerFacts("shop", frozenset({"client"}), frozenset({"bus"})),
        ):
            with pytest.raises(Denied):
                ask(world, Question("N1", ROW), caller=caller)


def test_two_callers_may_use_the_same_id_and_neither_gets_the_others_answer(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        question = Question("N1", ROW, request_id="1")
        ids = [
            ask(world, question, caller=CallerFacts(name, frozenset({"client"})))[0].decision_id
            for name in ("ann", "bob", "ann")
        ]
        assert ids[0] == ids[2] != ids[1]
        assert [each.caller for each in world.decisions] == ["ann", "bob"]


def tensors(**parameters: Any) -> dict[str, Any]:
    values = [3.5, 1200.0, 1.0, 1.0, 1.0]
    inputs = [{"name": "x", "datatype": "FP64", "shape": [1, 5], "data": values}]
    return {"inputs": inputs, "parameters": {"subject": "N1", **parameters}}


def test_the_protocols_endpoint_names_the_purpose_by_a_parameter(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        assert world.ask(INFER, tensors(purpose="planning")).status == 200
        refused = world.ask(INFER, tensors(purpose="marketing"))
        denial = world.decisions[-1]
        assert refused.status == 403
        assert refused.json == {
            "error": "This model's decisions may not be used for this purpose. "
            f"(by purpose of policy set {PACKAGED.version[:12]}, on record as {denial.decision_id})"
        }
        assert world.ask(INFER, tensors(purpose=7)).status == 400
        assert world.ask(INFER, tensors()).status == 403


def test_over_grpc_it_is_permission_denied(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        endpoint = OipGrpc(world.data_plane)
        request = messages.ModelInferRequest(model_name="trips")
        request.inputs.add(name="x", datatype="FP64", shape=[1, 5]).contents.fp64_contents.extend(
            [3.5, 1200.0, 1.0, 1.0, 1.0]
        )
        request.parameters["purpose"].string_param = "marketing"
        context = FakeContext()
        world.run(endpoint.infer(request, context))
        assert context.code is not None
        assert (context.code.name, world.decisions[0].decision_id in context.details) == ("PERMISSION_DENIED", True)
        request.parameters["purpose"].string_param = "planning"
        context = FakeContext()
        world.run(endpoint.infer(request, context))
        assert context.code is None


def test_who_may_report_outcomes_is_policys_to_say(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        outcome = {"decision_id": "01890a5d-ac96-774b-bcce-b302099a8057", "label": True}
        assert world.ask(OUTCOMES, outcome).status == 200
        world.policies.policy = cedar(rule('permit (principal, action == Action::"decide", resource)'))
        assert world.ask(OUTCOMES, outcome).status == 403


@pytest.mark.parametrize("path", [DECIDE, INFER, "/v2/models/trips/versions/2/infer"])
def test_who_may_choose_the_version_is_policys_to_say_at_every_endpoint(
    versions: dict[int, LoadedVersion], tmp_path: Path, path: str
) -> None:
    named = {} if "versions" in path else {"x_windvane_version": "2"}
    body = asked(purpose="planning") if path == DECIDE else tensors(purpose="planning")
    with gateway(versions, champion(warm=(2,)), tmp_path, GOVERNED) as world:
        assert world.ask(path, body, **BOSS, **named).status == 200
        assert world.decisions[-1].version == 2
        world.policies.policy = frozen("choose_version")
        refused = world.ask(path, body, **BOSS, **named)
        assert (refused.status, "Not now." in refused.body.decode()) == (403, True)
        assert len(world.decisions) == 1


def test_over_grpc_too(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(warm=(2,)), tmp_path, GOVERNED) as world:
        world.policies.policy = frozen("choose_version")
        request = messages.ModelInferRequest(model_name="trips", model_version="2")
        request.inputs.add(name="x", datatype="FP64", shape=[1, 5]).contents.fp64_contents.extend([1.0] * 5)
        context = FakeContext(**BOSS)
        world.run(OipGrpc(world.data_plane).infer(request, context))
        assert context.code is not None
        assert (context.code.name, "Not now." in context.details) == ("PERMISSION_DENIED", True)


def test_denied_records_are_of_the_kind_that_consumers_leave_out() -> None:
    assert Decision("d", 1.0, 1.0, 0, DENIED, 1, "s", 1, (), None, "").is_denied
