"""What is on record, judged again."""

from cluster.cedar_policy import CedarPolicy
from cluster.policy_replay import explained, replay
from tests.policies import PACKAGED, asks, asks_with, cedar, rule

POLICY = CedarPolicy(PACKAGED)
ASKED = asks("act", purpose="lending", action="decline", risk_ppm=950_000)


def test_the_same_set_says_the_same_and_each_rule_that_applies_is_named() -> None:
    found = replay(ASKED, POLICY.judge(ASKED), POLICY)
    assert (found.changed, found.same_set, found.now.outcome) == (False, True, "refer")
    assert [(weighed.rule.id, weighed.rule.effect) for weighed in found.weighed if weighed.applies] == [
        ("act-adverse", "permit"),
        ("high-risk", "forbid"),
    ]
    version = POLICY.version[:12]
    places = {rule.id: rule.place for rule in POLICY.rules}
    assert list(explained(found)) == [
        f"refer by high-risk of {version}: A risk this high is decided by a person.",
        f"on record: the same outcome by high-risk of {version}",
        f"  {places['act-adverse']}: act-adverse permits this",
        f"  {places['high-risk']}: high-risk forbids this",
    ]


def test_another_set_may_say_otherwise() -> None:
    lenient = cedar(rule("permit (principal, action, resource)", "anything"))
    found = replay(ASKED, POLICY.judge(ASKED), lenient)
    assert (found.changed, found.same_set) == (True, False)
    assert f"on record: another outcome, refer by high-risk of {POLICY.version[:12]}" in list(explained(found))


def test_a_record_that_its_own_set_judges_otherwise_was_changed_since() -> None:
    recorded = POLICY.judge(ASKED)
    found = replay(asks("act", purpose="lending", action="decline", risk_ppm=10), recorded, POLICY)
    assert found.changed
    assert found.same_set
    assert any("the record is not what was judged" in line for line in explained(found))


def test_a_rule_that_fails_is_told_beside_those_that_apply() -> None:
    overflows = (
        'forbid (principal, action == Action::"act", resource) when { context.risk_ppm * 9223372036854775807 > 0 }'
    )
    found = replay(
        ASKED, None, cedar(rule("permit (principal, action, resource)", "anything"), rule(overflows, "broken"))
    )
    [anything, broken] = found.weighed
    assert (anything.applies, broken.applies, "overflow" in broken.error) == (True, False, True)
    assert [line for line in explained(found) if "broken" in line and "overflow" in line]


def test_a_record_that_fits_no_schema_is_denied_and_weighs_nothing() -> None:
    found = replay(asks_with("decide", {"purpose": object()}), None, POLICY)
    assert (found.now.outcome, found.weighed, found.changed) == ("deny", (), False)
