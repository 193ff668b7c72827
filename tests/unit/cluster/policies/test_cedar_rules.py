"""A policy set is taken whole and complete, or refused with every problem and its line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.policies import SCHEMA, rule, written
from windvane.cluster.errors import Invalid
from windvane.cluster.policies.cedar_rules import compile_policies, statements
from windvane.cluster.policies.policy_set import PolicySet

PERMIT = "permit (principal, action, resource)"


def problems(taken: PolicySet) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        compile_policies(taken)
    return [(problem.pointer, problem.detail) for problem in caught.value.problems]


def test_a_rule_tells_who_owns_it_and_where_it_stands() -> None:
    compiled = compile_policies(
        written("// first\n\n", rule(PERMIT, "a", owner="jo"), rule("forbid (principal, action, resource)", "b"))
    )
    [permit, forbid] = compiled.rules.values()
    assert (permit.id, permit.owner, permit.place, permit.effect) == ("a", "jo", "all.cedar:3", "permit")
    assert (forbid.id, forbid.reason, forbid.place, forbid.effect) == ("b", "Not so.", "all.cedar:4", "forbid")


def test_every_broken_statement_is_named_with_its_line() -> None:
    text = f"{rule(PERMIT)}permit (principal, action;\n\n{rule(PERMIT, 'b')}forbid"
    assert [pointer for pointer, _ in problems(written(text))] == ["all.cedar:2", "all.cedar:5"]


def test_an_empty_set_is_refused() -> None:
    [(_, detail)] = problems(written("// nothing yet\n"))
    assert detail == "holds no rule, and would deny everything"


@pytest.mark.parametrize("files", [{}, {"a.cedarschema": SCHEMA, "b.cedarschema": SCHEMA}])
def test_a_set_needs_exactly_one_schema(files: dict[str, str]) -> None:
    [(_, detail)] = problems(PolicySet({"all.cedar": rule(PERMIT), **files}))
    assert detail.startswith("needs exactly one .cedarschema")


def test_a_broken_schema_is_named() -> None:
    assert problems(written(rule(PERMIT), schema="entity Caller = { name: Txt };")) == [
        ("windvane.cedarschema", "is no Cedar schema: failed to resolve type: Txt")
    ]


def test_a_schema_that_would_refuse_what_windvane_asks_is_refused_itself() -> None:
    stricter = SCHEMA.replace("name: String,", "name: String, department: String,", 1)
    [(pointer, detail)] = problems(written(rule(PERMIT), schema=stricter))
    assert pointer == "windvane.cedarschema"
    assert "does not fit what Windvane asks" in detail
    assert "a caller and a model" in detail


@pytest.mark.parametrize("action", ["erase", "decide"])
def test_a_schema_without_an_action_that_is_asked_for_is_refused(action: str) -> None:
    found = problems(written(rule(PERMIT), schema=SCHEMA.replace(action, "something_else")))
    assert any(f'Action::"{action}"' in detail for _, detail in found)


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ('context.purpos == "x"', "`purpos`"),
        ("context.purpose == 1", "are not compatible"),
        ("context.consent", "unable to guarantee safety of access to optional attribute `consent`"),
    ],
)
def test_the_schema_stops_typos_wrong_types_and_unguarded_attributes(condition: str, complaint: str) -> None:
    text = rule(f'permit (principal, action == Action::"decide", resource) when {{ {condition} }}')
    found = problems(written("\n", text))
    assert all(pointer == "all.cedar:2" for pointer, _ in found)
    assert any(complaint in detail for _, detail in found), found


def test_a_policy_without_its_annotations_lists_all_it_lacks() -> None:
    assert problems(written("forbid (principal, action, resource);")) == [
        ("all.cedar:1", f'has no @{name}("…"), which every forbid needs')
        for name in ("id", "owner", "review_by", "reason")
    ]


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"review_by": "soon"}, '@review_by("soon") is no date; write it as 2027-10-01'),
        ({"review_by": ""}, 'has no @review_by("…"), which every permit needs'),
        ({"otherwise": "refer"}, "@otherwise belongs to a forbid; a permit has none"),
        ({"oner": "jo"}, "@oner means nothing here"),
    ],
)
def test_an_annotation_that_means_nothing_is_refused(said: dict[str, str], complaint: str) -> None:
    [(_, detail)] = problems(written(rule(PERMIT, **said)))
    assert detail.startswith(complaint)


def test_a_forbid_has_one_other_way() -> None:
    found = problems(written(rule("forbid (principal, action, resource)", otherwise="maybe", requires="x")))
    assert [detail for _, detail in found] == [
        '@otherwise("maybe"): the only other way is "refer"',
        '@requires("x"): known are explanation, approval',
        "@requires belongs to a permit; a forbid has none",
    ]


def test_two_rules_do_not_share_an_id() -> None:
    assert problems(written(rule(PERMIT, "a"), rule(PERMIT, "a"))) == [
        ("all.cedar:2", '@id("a") is taken by all.cedar:1; give each rule its own')
    ]


def test_a_template_is_refused() -> None:
    [(_, detail)] = problems(written(rule("permit (principal == ?principal, action, resource)")))
    assert "templates are not linked by anybody here" in detail


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([PERMIT + ";", '@id("a;//b\\"c") ' + PERMIT + ";", "// a; b\n", "\n", ";"]), max_size=8)
)
def test_statements_end_at_semicolons_that_are_no_text_and_no_comment(parts: list[str]) -> None:
    text = " ".join(parts)
    found = list(statements(text))
    assert [statement for _, statement in found] == [part for part in parts if part.endswith(";")]
    assert all(text.splitlines()[line - 1].lstrip() for line, _ in found)
