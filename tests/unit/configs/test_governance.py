"""A declaration tells who may be decided about, by what, for what, and what people are told."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from windvane.configs.load import validate_file
from windvane.configs.schema import Action, DecisionRule, Feature, ModelSpec

GOOD = """\
name: loan
owner: credit@example.org
review_by: 2027-06-30
retention: 365d
purposes:
  - {name: lending, description: whether to lend}
  - {name: statistics, consent: false}
unit: applicant
target: {name: refused}
features:
  - {name: debt, type: number, personal: true, mutable: decrease, reason: {raises: "Debts of {value} are high"}}
  - {name: term, type: category, categories: [short, long], mutable: true, reason: {raises: The term is long}}
  - {name: area, type: integer, reason: {raises: The area is small}}
audit:
  - {name: race, type: category, categories: [white, black], proxies: [district], protected: true}
  - {name: older, type: boolean, missing: true}
data: {source: loans.csv, subject: applicant_id}
decision:
  actions:
    - {name: approve, at_least: 0.0}
    - {name: refer, at_least: 0.2}
    - {name: decline, at_least: 0.5, adverse: true}
explanation: {counterfactual: true, aim: approve}
"""


def complaints(folder: Path, text: str) -> list[str]:
    file = folder / "loan.yaml"
    file.write_text(text)
    return [str(complaint).removeprefix(f"{folder}/loan.yaml:") for complaint in validate_file(file)]


def test_a_governed_model_says_all_of_it(tmp_path: Path) -> None:
    assert complaints(tmp_path, GOOD) == []


def test_what_is_declared_is_what_is_read() -> None:
    from windvane.configs.document import parse

    spec = ModelSpec.model_validate(parse(GOOD).value)
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.review_by == datetime(2027, 6, 30, tzinfo=UTC)
    assert spec.retention == timedelta(days=365)
    assert [(purpose.name, purpose.consent) for purpose in spec.purposes] == [("lending", True), ("statistics", False)]
    assert [feature.mutable for feature in spec.features] == ["decrease", True, False]
    assert [(attribute.name, attribute.protected) for attribute in spec.audit] == [("race", True), ("older", True)]
    assert (spec.decision.adverse, spec.decision.adverse_is_high) == (("decline",), True)
    assert (spec.explanation.reasons, spec.explanation.aim) == (4, "approve")


def test_adverse_actions_may_lie_at_either_end() -> None:
    low = (Action(name="refuse", at_least=0.0, adverse=True), Action(name="grant", at_least=0.7))
    assert not DecisionRule(actions=low).adverse_is_high
    assert DecisionRule(actions=low[::-1]).adverse == ("refuse",)
    assert not DecisionRule(actions=(Action(name="only", at_least=0.0),)).adverse_is_high


def test_a_boolean_may_be_mutable_one_way() -> None:
    assert Feature.model_validate({"name": "cosigned", "type": "boolean", "mutable": "increase"}).mutable == "increase"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "name: area",
            "name: Race",
            "13: features[2].name: 'Race' stands under `audit` and may not decide",
        ),
        (
            "name: area",
            "name: district",
            "13: features[2].name: 'district' tells 'race', which stands under `audit` and may not decide",
        ),
        (
            "type: integer",
            "type: integer, protected: true",
            "13: features[2].protected: a protected attribute may not be a feature; "
            "declare it under `audit`, which never decides",
        ),
        (
            "type: integer",
            "type: integer, protected: yes",
            "13: features[2].protected: 'yes' is neither true nor false",
        ),
        (
            "mutable: decrease",
            "mutable: decreese",
            "11: features[0].mutable: 'decreese' is none of increase, decrease, or 'decreese' is neither true "
            "nor false (did you mean `decrease`?)",
        ),
        ("mutable: true", "mutable: increase", "12: features[1].mutable: categories have no order; write true"),
        (
            "type: integer",
            "type: integer, change_cost: 2",
            "13: features[2].change_cost: belongs to a feature that is `mutable`",
        ),
        (
            "mutable: decrease",
            "mutable: decrease, change_cost: 0",
            "11: features[0].change_cost: 0 must be greater than 0",
        ),
        (
            "{raises: The term",
            "{rises: The term",
            "12: features[1].reason.rises: unknown field; known here: raises, lowers, missing (did you mean `raises`?)",
        ),
        (
            "Debts of {value}",
            "Debts of {debt}",
            "11: features[0].reason.raises: holds braces that are not {value}, the only thing that is filled in",
        ),
        (
            "{raises: The area",
            "{missing: 'no {value}', raises: The area",
            "13: features[2].reason.missing: holds braces, and there is no value that could be filled in",
        ),
        (
            "raises: The area",
            "lowers: The area",
            "13: features[2].reason.raises: is missing; it is what people are told when it led to 'decline'",
        ),
        ("name: older", "name: Race", "16: audit[1].name: another audited column has this name"),
        ("name: older", "name: refused", "16: audit[1].name: 'refused' is the target, which is no group to compare"),
        (
            "name: older",
            "name: applicant_id",
            "16: audit[1].name: 'applicant_id' is the subject, which is no group to compare",
        ),
        (
            "type: boolean",
            "type: bolean",
            "16: audit[1].type: 'bolean' is none of boolean, category (did you mean `boolean`?)",
        ),
        (
            "type: category, categories: [white, black]",
            "type: category",
            "15: audit[0].categories: a category needs `categories`, the values it can take",
        ),
        ("[white, black]", "[white, white]", "15: audit[0].categories[1]: 'white' stands here twice"),
        ("[district]", "[district, district]", "15: audit[0].proxies[1]: 'district' stands here twice"),
        ("protected: true", "protected: false", "15: audit[0].proxies: belongs to a protected attribute"),
        ("missing: true", "categories: [a]", "16: audit[1].categories: belongs to type category, not boolean"),
        ("name: statistics", "name: lending", "7: purposes[1].name: another purpose has this name"),
        ("consent: false", "consent: no", "7: purposes[1].consent: 'no' is neither true nor false"),
        (
            "retention: 365d",
            "retention: 0d",
            "4: retention: keeps no decision at all; leave it out to keep them for ever",
        ),
        ("retention: 365d", "retention: 365", "4: retention: 365 has no unit; write 90s, 5m, 12h, 28d or 4w"),
        (
            "aim: approve",
            "aim: aprove",
            "23: explanation.aim: 'aprove' is none of approve, refer (did you mean `approve`?)",
        ),
        ("aim: approve", "aim: decline", "23: explanation.aim: 'decline' is adverse; approve, refer would do"),
        ("aim: approve", "reasons: 0", "23: explanation.reasons: 0 must be greater than or equal to 1"),
        (
            ", adverse: true",
            "",
            "23: explanation.counterfactual: no action is `adverse`, so it would never be used",
        ),
        (
            "at_least: 0.2",
            "at_least: 0.7",
            "22: decision.actions[2].adverse: adverse actions must be the highest or the lowest: "
            "a reason is what pushed the score towards them",
        ),
    ],
)
def test_a_wrong_declaration_is_refused_in_words(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) == 1
    assert complaints(tmp_path, GOOD.replace(old, new)) == [expected]


def test_every_feature_without_words_is_named_at_once(tmp_path: Path) -> None:
    text = GOOD.replace(", reason: {raises: The term is long}", "").replace(", reason: {raises: The area is small}", "")
    assert complaints(tmp_path, text) == [
        "12: features[1].reason.raises: is missing; it is what people are told when it led to 'decline' "
        "(missing too: 'area')"
    ]


def test_a_misspelt_flag_of_an_action_is_named_with_the_nearest(tmp_path: Path) -> None:
    [complaint] = complaints(tmp_path, GOOD.replace("adverse: true", "advrse: true"))
    assert complaint.startswith("22: decision.actions[2].advrse: unknown field;")
    assert complaint.endswith("(did you mean `adverse`?)")


def test_a_counterfactual_needs_something_that_can_be_changed(tmp_path: Path) -> None:
    text = GOOD.replace("mutable: decrease, ", "").replace("mutable: true, ", "")
    expected = "23: explanation.counterfactual: no feature is `mutable`, so none could ever be found"
    assert complaints(tmp_path, text) == [expected]


def test_where_everything_is_adverse_nothing_could_be_hoped_for(tmp_path: Path) -> None:
    text = GOOD.replace("at_least: 0.0", "at_least: 0.0, adverse: true").replace(
        "at_least: 0.2", "at_least: 0.2, adverse: true"
    )
    expected = "19: decision.actions: every action is adverse, so none is left that could have been hoped for"
    assert complaints(tmp_path, text) == [expected]
