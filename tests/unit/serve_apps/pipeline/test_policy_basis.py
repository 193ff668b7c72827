"""On what a decision is judged: by one set, once, and within bounds of memory."""

from pathlib import Path
from typing import Any

import pytest

from tests.worlds.gateway.governed import ROW, deciding
from tests.worlds.gateway.world import SetInForce, champion, gateway
from tests.worlds.policies import PACKAGED, cedar, rule
from windvane.cluster.callers.caller import ANYBODY
from windvane.cluster.policies.cedar_policy import CedarPolicy
from windvane.cluster.policies.mandate import mandate_of
from windvane.cluster.policies.policy import Closed, Mandate, Policy, Request, act_context
from windvane.serve_apps.pipeline import policy_check as module
from windvane.serve_apps.pipeline.policy_check import PolicyCheck
from windvane.serve_apps.protocol.question import Question
from windvane.serve_apps.versions.loaded_version import LoadedVersion


def test_a_decision_is_judged_by_one_set_though_another_comes_in_between(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        basis = world.policy_check.bases(ANYBODY, [Question("N1", ROW)])[0]
        world.policies.policy = cedar(rule("forbid (principal, action, resource)", "nothing"))
        assert world.policy_check.act(basis, "keep", 0.2).version == basis.verdict.version == PACKAGED.version
        [after] = world.policy_check.bases(ANYBODY, [Question("N1", ROW)])
        assert after.verdict.policies == ("nothing",)


def test_a_basis_is_judged_once_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    judged: list[str] = []

    class Counting:
        version = "v"

        def judge(self, request: Any) -> Any:
            judged.append(request.context["purpose"])
            return Closed("x").judge(request)

    class Silent:
        def of(self, subject: str, purpose: str) -> bool | None:
            raise AssertionError("nobody's consent is asked for")

    policy: Policy = Counting()
    policy_check = PolicyCheck(Mandate("trips"), SetInForce(policy), Silent())
    questions = [Question("N", (), purpose=str(number)) for number in range(10)]
    policy_check.bases(ANYBODY, questions)
    judged.clear()
    policy_check.bases(ANYBODY, [questions[-1]] * 5)
    assert judged == []
    policy_check.bases(ANYBODY, questions)
    assert len(judged) >= 7  # of ten, three may be remembered


def test_a_verdict_on_an_action_is_remembered_for_the_risks_that_it_holds_for(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path, deciding(refer_from=0.6)) as world:
        [basis] = world.policy_check.bases(ANYBODY, [Question("N1", ROW, purpose="planning")])
        for score in (0.1, 0.599999, 0.6, 0.7, 0.2, 1.0, 0.0, float("nan"), 0.3):
            context = act_context("planning", "keep", score)
            fresh = CedarPolicy(PACKAGED).judge(Request(ANYBODY, "act", mandate_of(deciding(refer_from=0.6)), context))
            assert world.policy_check.act(basis, "keep", score) == fresh
