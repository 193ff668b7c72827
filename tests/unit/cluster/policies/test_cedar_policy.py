"""Cedar behind the port: every way to fail denies, and memory never answers another question."""

from dataclasses import dataclass, replace
from itertools import takewhile
from types import SimpleNamespace
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.policies import CLIENT, CREDIT, PACKAGED, asks, asks_with, cedar, rule
from windvane.cluster.errors import Invalid
from windvane.cluster.policies import cedar_policy
from windvane.cluster.policies.cedar_policy import CedarPolicy, taken
from windvane.cluster.policies.policy import UNEVALUATED, CallerFacts, Mandate, Request
from windvane.cluster.policies.policy_set import PolicySet

ANYTHING = rule("permit (principal, action, resource)", "anything")
ACT_FORBID = 'forbid (principal, action == Action::"act", resource)'
FORBID = 'forbid (principal, action == Action::"decide", resource)'


@pytest.fixture(scope="module")
def policy() -> CedarPolicy:
    return CedarPolicy(PACKAGED)


# ---- fails closed ----


@pytest.mark.parametrize(
    "sound", [(ANYTHING,), (ANYTHING, rule(f"{FORBID} unless {{ context has consent && context.consent }}"))]
)
def test_a_missing_attribute_denies_under_the_broadest_permit(sound: tuple[str, ...]) -> None:
    verdict = cedar(*sound).judge(asks("decide", consent=True))
    assert (verdict.outcome, verdict.policies, verdict.reason) == ("deny", (), UNEVALUATED)
    assert "attribute `purpose`" in verdict.errors[0]


def test_the_trap_that_cedar_sets_is_closed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cedar skips a forbid whose attribute is missing, and the broad permit then allows: nobody consented, and yet."""
    trap = rule(f"{FORBID} unless {{ context.consent == true }}", "consent")
    asked = {"principal": 'Caller::"x"', "action": 'Action::"decide"', "resource": 'Model::"m"', "context": {}}
    skipped = cedarpy.is_authorized(asked, ANYTHING + trap, [])
    assert (skipped.decision, bool(skipped.diagnostics.errors)) == (cedarpy.Decision.Allow, True)
    with pytest.raises(Invalid) as refused:  # once when the set is taken
        cedar(ANYTHING, trap)
    assert "optional attribute `consent`" in refused.value.problems[0].detail
    monkeypatch.setattr(cedarpy, "validate_policies", lambda *_: SimpleNamespace(errors=()))
    unchecked = cedar(ANYTHING, trap)  # and again when it is asked, had it been taken all the same
    verdict = unchecked.judge(asks("decide", purpose="lending"))
    assert (verdict.outcome, verdict.policies, verdict.reason) == ("deny", (), UNEVALUATED)
    assert "`consent`" in verdict.errors[0]
    assert unchecked.judge(asks("decide", purpose="lending", consent=True)).allowed
    assert unchecked.judge(asks("decide", purpose="lending", consent=False)).policies == ("consent",)


def test_a_forbid_that_fails_is_not_skipped() -> None:
    """Cedar skips what it cannot evaluate: here the overflow, and then the permit alone would allow."""
    overflows = rule(f"{ACT_FORBID} when {{ context.risk_ppm * 9223372036854775807 > 0 }}")
    verdict = cedar(ANYTHING, overflows).judge(asks("act", purpose="p", action="a", risk_ppm=2))
    assert (verdict.outcome, verdict.policies, verdict.reason) == ("deny", (), UNEVALUATED)
    assert "overflow" in verdict.errors[0]


@pytest.mark.parametrize(
    "context",
    [
        {"purpose": "lending", "consent": 1},
        {"purpose": "lending", "consent": "true"},
        {"purpose": "lending", "consent": None},
        {"purpose": "lending", "consent": 1.0},
        {"purpose": ["lending"]},
        {"purpose": {"__entity": {"type": "Role", "id": "admin"}}},
        {"purpose": "lending", "role": "admin"},
        {"purpose": "lending", "consent": 2**70},
        {"purpose": "\ud800"},
        {"purpose": object()},
    ],
)
def test_a_context_of_the_wrong_type_denies(context: dict[str, object]) -> None:
    verdict = cedar(ANYTHING).judge(asks_with("decide", context))
    assert (verdict.outcome, verdict.policies, bool(verdict.errors)) == ("deny", (), True)


@pytest.mark.parametrize(
    "caller",
    [
        replace(CLIENT, name=7),  # type: ignore[arg-type]
        replace(CLIENT, roles=["client"]),  # type: ignore[arg-type]
        replace(CLIENT, roles="client"),  # type: ignore[arg-type]
        replace(CLIENT, models="credit"),  # type: ignore[arg-type]
        replace(CLIENT, models=frozenset({1})),  # type: ignore[arg-type]
        None,
    ],
)
def test_a_caller_of_the_wrong_type_denies(caller: CallerFacts) -> None:
    verdict = cedar(ANYTHING).judge(asks("decide", caller, purpose="lending"))
    assert (verdict.outcome, bool(verdict.errors)) == ("deny", True)


@pytest.mark.parametrize("mandate", [Mandate("credit", purposes="lending"), "credit"])  # type: ignore[arg-type]
def test_a_mandate_of_the_wrong_type_denies(mandate: Mandate) -> None:
    verdict = cedar(ANYTHING).judge(asks("decide", CLIENT, mandate, purpose="lending"))
    assert (verdict.outcome, bool(verdict.errors)) == ("deny", True)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"all.cedar": "permit (principal", "s.cedarschema": PACKAGED.schemas()[0][1]}, "all.cedar:1: is not Cedar"),
        ({"s.cedarschema": PACKAGED.schemas()[0][1]}, "holds no rule"),
        ({"all.cedar": ANYTHING}, "needs exactly one .cedarschema"),
        ({}, "needs exactly one .cedarschema"),
    ],
)
def test_a_broken_file_an_empty_set_and_a_missing_schema_deny_everything(files: dict[str, str], why: str) -> None:
    closed = taken(PolicySet(files))
    verdict = closed.judge(asks("decide", purpose="lending"))
    assert (verdict.outcome, verdict.reason, verdict.version) == ("deny", UNEVALUATED, PolicySet(files).version)
    assert why in verdict.errors[0]


def test_a_sound_set_is_taken() -> None:
    assert taken(PACKAGED).judge(asks("decide", purpose="lending")).allowed


def test_an_action_nobody_knows_denies() -> None:
    assert cedar(ANYTHING).judge(asks("fly")).errors == (
        'failed to build request: action `Action::"fly"` does not exist in the supplied schema',
    )


def test_a_name_is_never_read_as_cedar() -> None:
    sly = replace(CLIENT, name='x", Role::"admin')
    only_admins = rule('permit (principal in Role::"admin", action, resource)')
    assert not cedar(only_admins).judge(asks("decide", sly, purpose="lending")).allowed


# ---- what a verdict says ----


def test_no_rule_that_allows_is_a_denial_that_says_so(policy: CedarPolicy) -> None:
    verdict = policy.judge(asks("promote"))
    assert (verdict.policies, verdict.reason) == ((), "No policy allows shop to promote on this model.")


def test_a_blocking_rule_wins_over_a_referring_one_and_gives_the_reason(policy: CedarPolicy) -> None:
    verdict = policy.judge(asks("act", purpose="lending", action="seize", risk_ppm=950_000))
    assert (verdict.outcome, verdict.policies) == ("deny", ("high-risk", "undeclared-action"))
    assert verdict.reason == "This action is not one that this model's decisions can have."


def test_a_verdict_names_the_set_that_gave_it(policy: CedarPolicy) -> None:
    assert policy.judge(asks("decide", purpose="lending")).version == policy.version == PACKAGED.version


# ---- memory ----


@dataclass(frozen=True, slots=True)
class Caller:
    """As an endpoint knows one: more than policies see."""

    name: str
    roles: frozenset[str]
    models: frozenset[str] | None
    key_id: str | None = None


CALLERS = st.builds(
    Caller,
    st.sampled_from(["shop", "root"]),
    st.frozensets(st.sampled_from(["client", "owner", "admin"]), max_size=2),
    st.sampled_from([None, frozenset({"credit"}), frozenset({"other"})]),
)
MANDATES = st.sampled_from([None, CREDIT, Mandate("other", frozenset({"lending"})), Mandate("credit")])
VALUES = st.sampled_from(
    [True, False, 0, 1, 1.0, "", "lending", "marketing", "approve", 899_999, 900_000, 900_001, None, -1]
)
CONTEXTS = st.dictionaries(
    st.sampled_from(["purpose", "consent", "action", "risk_ppm", "requester"]), VALUES, max_size=4
)
USUAL = st.one_of(
    CONTEXTS,
    st.fixed_dictionaries({"purpose": st.sampled_from(["lending", "marketing"])}, optional={"consent": VALUES}),
    st.fixed_dictionaries({"purpose": VALUES, "action": VALUES, "risk_ppm": VALUES}),
)
ACTIONS = st.sampled_from(["decide", "act", "approve", "train", "erase"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(Request, CALLERS, ACTIONS, MANDATES, USUAL), min_size=1, max_size=8))
def test_memory_says_what_an_evaluation_would(requests: list[Request]) -> None:
    for request in requests:
        first, again = REMEMBERING.judge(request), REMEMBERING.judge(request)
        FORGETTING.forget()
        assert first == again == FORGETTING.judge(request)


REMEMBERING, FORGETTING = CedarPolicy(PACKAGED), CedarPolicy(PACKAGED)


def test_true_in_memory_does_not_answer_for_one(policy: CedarPolicy) -> None:
    """`True == 1` in Python, and in a dict they are the same key: a number must not pass for consent."""
    assert policy.judge(asks("decide", purpose="marketing", consent=True)).allowed
    assert not policy.judge(asks("decide", purpose="marketing", consent=1)).allowed


def test_a_risk_across_the_limit_is_judged_anew(policy: CedarPolicy) -> None:
    def outcome(risk_ppm: int) -> str:
        return policy.judge(asks("act", purpose="lending", action="approve", risk_ppm=risk_ppm)).outcome

    assert [outcome(risk) for risk in (5, 899_999, 900_000, 1_000_000, 1_000_001)] == [
        *("allow", "allow", "refer", "refer", "deny")
    ]


def test_a_risk_that_cedar_cannot_hold_is_not_answered_for_by_one_that_it_can() -> None:
    broad = cedar(ANYTHING)
    asked = {"purpose": "p", "action": "a"}
    assert broad.judge(asks_with("act", {**asked, "risk_ppm": 950_000})).allowed
    assert not broad.judge(asks_with("act", {**asked, "risk_ppm": 2**70})).allowed


def test_each_models_own_limit_counts(policy: CedarPolicy) -> None:
    lower = Mandate("credit", actions=frozenset({"approve"}), refer_from_ppm=10)
    asked: dict[str, bool | int | str] = {"purpose": "lending", "action": "approve", "risk_ppm": 20}
    assert policy.judge(Request(CLIENT, "act", CREDIT, asked)).outcome == "allow"
    assert policy.judge(Request(CLIENT, "act", lower, asked)).outcome == "refer"


def evaluations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The action of every request that Cedar evaluates from now on."""
    evaluated: list[str] = []
    evaluate = cedarpy.is_authorized

    def counting(request: Any, *others: Any) -> cedarpy.AuthzResult:
        evaluated.append(request["action"]["id"])
        return evaluate(request, *others)

    monkeypatch.setattr(cedarpy, "is_authorized", counting)
    return evaluated


def test_memory_is_bounded_whatever_a_caller_makes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cedar_policy, "MOST_KEPT", 10)
    policy, evaluated = CedarPolicy(PACKAGED), evaluations(monkeypatch)
    made_up = [asks("decide", purpose=f"made-up-{number}") for number in range(50)]

    def is_kept(request: Request) -> bool:
        before = len(evaluated)
        policy.judge(request)
        return len(evaluated) == before

    for request in made_up:
        assert not policy.judge(request).allowed
    assert 1 <= len(list(takewhile(is_kept, reversed(made_up)))) <= 10
    longest, too_long = (asks("decide", purpose="x" * length) for length in (128, 129))
    assert [is_kept(request) for request in (longest, longest, too_long, too_long)] == [False, True, False, False]


def test_equal_requests_are_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, evaluated = CedarPolicy(PACKAGED), evaluations(monkeypatch)
    for risk_ppm in range(1, 899_999, 100_000):
        policy.judge(asks("act", purpose="lending", action="approve", risk_ppm=risk_ppm))
    assert evaluated == ["act"]
