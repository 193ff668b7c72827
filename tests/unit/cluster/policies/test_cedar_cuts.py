"""Risks are alike exactly where the rules cannot tell them apart."""

from dataclasses import replace

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.policies import asks, cedar, rule
from windvane.cluster.policies.cedar_cuts import cell, cuts
from windvane.cluster.policies.policy import PolicyDecision, Request

ACT = 'permit (principal, action == Action::"act", resource)'


def found(condition: str) -> frozenset[int] | None:
    policies = cedarpy.policies_to_pst(f"{ACT} when {{ {condition} }};")
    return cuts(policies.static_policies.values())


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ("true", set()),
        ('context.purpose == "x"', set()),
        ("context.risk_ppm < 5", {5}),
        ("7 <= context.risk_ppm && !(context.risk_ppm == 9)", {7, 9}),
        ('context["risk_ppm"] >= -3', {-3}),
        ("resource has refer_from_ppm && context.risk_ppm >= resource.refer_from_ppm", set()),
        ("if context.risk_ppm > 1 then context.risk_ppm != 2 else false", {1, 2}),
        ("context has risk_ppm && context.risk_ppm > 1", {1}),
    ],
)
def test_the_numbers_that_a_risk_is_compared_with(condition: str, numbers: set[int]) -> None:
    assert found(condition) == frozenset(numbers)


@pytest.mark.parametrize(
    "condition",
    [
        "context.risk_ppm * 2 > 5",
        "context.risk_ppm > 5 + 1",
        "[1, 2].contains(context.risk_ppm)",
        "context.risk_ppm < context.risk_ppm",
        "context == {risk_ppm: 5}",
        "{it: context}.it.risk_ppm > 5",
        "(if true then context else context).risk_ppm > 5",
        "{risk: context.risk_ppm} == {risk: 5}",
        "context.risk_ppm > 1 && context.risk_ppm > resource.other",
    ],
)
def test_any_other_use_of_a_risk_makes_no_two_alike(condition: str) -> None:
    assert found(condition) is None


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 20), max_size=4), st.integers(-1, 21), st.integers(-1, 21))
def test_risks_in_one_cell_compare_alike_with_every_cut(numbers: set[int], one: int, other: int) -> None:
    def compared(risk: int) -> list[tuple[bool, bool]]:
        return [(risk < number, risk == number) for number in sorted(numbers)]

    assert (cell(one, sorted(numbers)) == cell(other, sorted(numbers))) == (compared(one) == compared(other))


CLAUSES = st.lists(
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.integers(0, 6), st.booleans()),
    min_size=1,
    max_size=4,
)


@settings(max_examples=20, deadline=None)
@given(CLAUSES)
def test_what_is_remembered_is_what_would_be_evaluated(clauses: list[tuple[str, int, bool]]) -> None:
    condition = " && ".join(
        f"(context.risk_ppm {sign} {number})" if kept else f"!(context.risk_ppm {sign} {number})"
        for sign, number, kept in clauses
    )
    written = rule(f"{ACT} when {{ {condition} }}")
    policy, forgetful = cedar(written), cedar(written)

    def evaluated(request: Request) -> PolicyDecision:
        forgetful.forget()
        return replace(forgetful.judge(request), alike=None)

    for risk in (8, 0, 6, 1, 5, 2, 4, 3, 7):
        request = asks("act", purpose="p", action="a", risk_ppm=risk)
        verdict = policy.judge(request)
        assert replace(verdict, alike=None) == evaluated(request)
        assert verdict.alike is not None
        low, high = verdict.alike
        assert low <= risk <= high
        for other in {low, high, *range(max(low, risk - 3), min(high, risk + 3))}:
            asked = asks("act", purpose="p", action="a", risk_ppm=other)
            assert replace(verdict, alike=None) == evaluated(asked)
