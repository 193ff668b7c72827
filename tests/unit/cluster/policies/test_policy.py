"""The port's records: contexts, verdicts, and a policy that is closed."""

import math

import pytest

from tests.worlds.policies import asks
from windvane.cluster.errors import Denied, Forbidden, Invalid
from windvane.cluster.policies.policy import UNEVALUATED, Closed, Mandate, PolicyDecision, act_context, require


def test_a_closed_policy_denies_and_tells_operators_why() -> None:
    verdict = Closed("admin.cedar:3: unexpected token", "abc").judge(asks("decide", purpose="lending"))
    assert (verdict.outcome, verdict.reason, verdict.version) == ("deny", UNEVALUATED, "abc")
    assert verdict.errors == ("admin.cedar:3: unexpected token",)


def test_a_denial_raises_the_reason_and_names_the_policies() -> None:
    with pytest.raises(Denied, match="has not consented") as caught:
        require(PolicyDecision(False, ("consent",), "The subject has not consented.", "abc", errors=("internal",)))
    assert isinstance(caught.value, Forbidden)
    assert (caught.value.status, caught.value.policies, caught.value.version) == (403, ("consent",), "abc")
    assert "internal" not in str(caught.value)


def test_a_referral_is_no_permission() -> None:
    with pytest.raises(Denied):
        require(PolicyDecision(False, ("high-risk",), "A person decides.", "abc", refer=True))
    require(PolicyDecision(True, ("act",), "", "abc"))


@pytest.mark.parametrize("risk", [math.nan, math.inf, -math.inf, 1.0000001, -0.0000001])
def test_what_is_no_probability_becomes_a_risk_that_no_range_holds(risk: float) -> None:
    assert act_context("lending", "approve", risk)["risk_ppm"] == -1


def test_a_risk_is_counted_in_millionths() -> None:
    assert [act_context("p", "a", risk)["risk_ppm"] for risk in (0.0, 0.9, 1.0)] == [0, 900_000, 1_000_000]


@pytest.mark.parametrize("limit", [0.9, True, -1, 1_000_001])
def test_a_limit_that_is_no_number_of_millionths_is_refused(limit: int) -> None:
    with pytest.raises(Invalid, match="refer_from_ppm of credit"):
        Mandate("credit", refer_from_ppm=limit)
