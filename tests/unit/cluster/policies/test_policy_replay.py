"""A record is judged again: by the set that judged it, by another, and where it was changed."""

from typing import Any

from tests.worlds.policies import CREDIT, PACKAGED, asks, asks_with, cedar, rule
from windvane.cluster.policies.cedar_policy import CedarPolicy
from windvane.cluster.policies.decision_replay import Retrial, explained, recorded, retry
from windvane.cluster.policies.policy_replay import replay

POLICY = CedarPolicy(PACKAGED)
ROW: dict[str, Any] = {
    "decision_id": "d1",
    "caller": "shop",
    "roles": ["client"],
    "scope": ["credit"],
    "purpose": "lending",
    "consent": None,
    "proposed": "decline",
    "action": "refer",
    "prediction": 0.95,
    "verdict": "refer",
    "policies": ["clients-decide", "high-risk"],
    "policy_version": PACKAGED.version,
    "mandate": "m",
}


def again(policy: CedarPolicy = POLICY, **changed: Any) -> Retrial:
    return retry(recorded({**ROW, **changed}), CREDIT, policy)


def test_the_same_set_says_the_same_and_each_rule_that_applies_is_named() -> None:
    found = again()
    assert (found.changed, found.same_set, found.outcome) == (False, True, "refer")
    places = {rule.id: rule.place for rule in POLICY.rules}
    version = POLICY.version[:12]
    assert list(explained(found)) == [
        "d1: asked by shop for lending",
        f"on record: referred to a person by clients-decide, high-risk of policy set {version}",
        f"before the model: allow by clients-decide of {version}",
        f"  {places['clients-decide']}: clients-decide permits this",
        f"after it (decline, 0.950000): refer by high-risk of {version}: A risk this high is decided by a person.",
        f"  {places['act-adverse']}: act-adverse permits this",
        f"  {places['high-risk']}: high-risk forbids this",
        "The outcome is the one on record.",
    ]


def test_a_denial_before_the_model_is_judged_by_what_was_asked_alone() -> None:
    denied: dict[str, Any] = {"proposed": "", "action": "", "prediction": None, "verdict": "deny"}
    found = again(purpose="insurance", policies=["purpose"], **denied)
    assert (found.changed, len(found.replays)) == (False, 1)
    assert not again(purpose="marketing", consent=None, policies=["consent"], **denied).changed
    assert again(purpose="marketing", consent=True, policies=["consent"], **denied).changed


def test_an_action_that_was_not_changed_is_the_one_that_is_judged() -> None:
    found = again(proposed="", action="approve", prediction=0.1, verdict="allow", policies=["clients-decide", "act"])
    assert (found.changed, found.outcome) == (False, "allow")


def test_another_set_may_say_otherwise() -> None:
    found = again(cedar(rule("permit (principal, action, resource)", "anything")))
    assert (found.changed, found.same_set, found.outcome) == (True, False, "allow")
    assert list(explained(found))[-1] == "This policy set would have judged otherwise."


def test_a_set_that_denies_before_the_model_is_not_asked_what_comes_after() -> None:
    found = again(cedar(rule("forbid (principal, action, resource)", "nothing")))
    assert (found.outcome, len(found.replays), found.policies) == ("deny", 1, ("nothing",))


def test_a_record_that_its_own_set_judges_otherwise_was_changed_since() -> None:
    for changed in ({"prediction": 0.1}, {"roles": ["operator"]}, {"verdict": "allow"}, {"policies": ["act"]}):
        found = again(**changed)
        assert (found.changed, found.same_set) == (True, True)
        assert "the record is not what was judged" in list(explained(found))[-1]


def test_a_rule_that_fails_is_told_beside_those_that_apply() -> None:
    overflows = (
        'forbid (principal, action == Action::"act", resource) when { context.risk_ppm * 9223372036854775807 > 0 }'
    )
    broken = cedar(rule("permit (principal, action, resource)", "anything"), rule(overflows, "broken"))
    [anything, failed] = replay(asks("act", purpose="p", action="a", risk_ppm=2), broken).weighed
    assert (anything.applies, failed.applies, "overflow" in failed.error) == (True, False, True)
    assert [line for line in explained(again(broken)) if "broken" in line and "overflow" in line]


def test_a_request_that_fits_no_schema_is_denied_and_weighs_nothing() -> None:
    found = replay(asks_with("decide", {"purpose": object()}), POLICY)
    assert (found.now.outcome, found.weighed) == ("deny", ())


def test_a_record_from_before_policies_says_so() -> None:
    empty = dict.fromkeys(("caller", "roles", "scope", "purpose", "verdict", "policies", "policy_version"))
    found = retry(recorded({**ROW, **empty}), CREDIT, POLICY)
    assert next(explained(found)) == "d1: asked by nobody on record"
