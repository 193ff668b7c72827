"""Without a policy set, or with one that fails, every endpoint is closed."""

from pathlib import Path

import pytest
from tritonclient.grpc import service_pb2 as messages

from tests.worlds.gateway.governed import GOVERNED
from tests.worlds.gateway.grpc_context import FakeContext
from tests.worlds.gateway.world import DECIDE, OUTCOMES, SetInForce, asked, champion, gateway
from tests.worlds.policies import PACKAGED, cedar, rule
from windvane.cluster.callers.caller import ANYBODY
from windvane.cluster.errors import Unavailable
from windvane.cluster.policies.cedar_policy import CedarPolicy
from windvane.cluster.policies.policy import Closed, Mandate
from windvane.serve_apps.endpoints.oip_grpc import OipGrpc
from windvane.serve_apps.pipeline.policy_check import PolicyCheck
from windvane.serve_apps.protocol.question import Question
from windvane.serve_apps.versions.loaded_version import LoadedVersion


@pytest.mark.parametrize("path", [DECIDE, OUTCOMES])
def test_without_a_policy_set_nothing_is_answered(
    versions: dict[int, LoadedVersion], tmp_path: Path, path: str
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        world.policies.policy = Closed("none was handed over")
        reply = world.ask(path, asked())
        assert reply.status == 503
        assert "No policy set is in force" in reply.json["detail"]
        assert "none was handed over" not in reply.body.decode()
        assert world.log.records == []


def test_without_a_policy_set_no_endpoint_is_ready(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    asked_over_grpc = messages.ModelReadyRequest(name="trips")
    with gateway(versions, champion(), tmp_path, GOVERNED) as world:
        for policy, ready in ((Closed("none was handed over"), False), (CedarPolicy(PACKAGED), True)):
            world.policies.policy = policy
            reply = world.ask("/v2/models/trips/ready", method="GET")
            assert (reply.status, "No policy set is in force" in reply.body.decode()) == (
                (200, False) if ready else (503, True)
            )
            assert world.run(OipGrpc(world.data_plane).ready(asked_over_grpc, FakeContext())).ready is ready


def test_a_rule_that_fails_denies_and_its_failure_is_not_told(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    overflow = rule(
        'forbid (principal, action == Action::"act", resource) when { context.risk_ppm * 9223372036854775807 < -1 }',
        "overflows",
    )
    with gateway(versions, champion(), tmp_path) as world:
        world.policies.policy = cedar(rule("permit (principal, action, resource)", "anything"), overflow)
        reply = world.ask(DECIDE, asked())
        assert (reply.status, reply.json.get("policies")) == (403, None)
        assert "overflow" not in reply.body.decode()
        assert world.decisions[0].verdict == "deny"
        assert world.counts.denials == ["not evaluated"]


def test_what_is_unavailable_is_said_before_anything_is_remembered() -> None:
    class Silent:
        def of(self, subject: str, purpose: str) -> bool | None:
            raise AssertionError("it is not fresh")

    wanted = frozenset({"research"})
    policy_check = PolicyCheck(
        Mandate("trips", wanted, wanted),
        SetInForce(cedar(rule("permit (principal, action, resource)"))),
        Silent(),
        lambda: False,
    )
    with pytest.raises(Unavailable, match="still agrees to research"):
        policy_check.bases(ANYBODY, [Question("N", (), purpose="research")])
