"""The table of cases: the packaged one holds, and one that does not is told by file and line."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.worlds.policies import FOLDER, PACKAGED, cedar, rule
from windvane.cluster.policies.cedar_policy import CedarPolicy
from windvane.cluster.policies.policy import Closed
from windvane.cluster.policies.policy_cases import Case, read_cases, run
from windvane.cluster.policies.policy_set import PolicySet
from windvane.configs.complaint import BadDeclaration

TABLE = """\
callers:
  jo: {roles: [owner]}
models:
  credit: {purposes: [lending], refer_from: 0.5}
cases:
  - name: jo trains
    caller: jo
    action: train
    model: credit
    expect: allow
    policies: [train]

  - {name: jo sees no log, caller: jo, action: read_log, expect: deny}
"""
TRAIN = rule('permit (principal in Role::"owner", action == Action::"train", resource)', "train")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "cases.yaml").write_text(TABLE)
    return tmp_path / "cases.yaml"


def test_the_packaged_policies_judge_the_packaged_cases_and_each_rule_has_one() -> None:
    policy = CedarPolicy(PACKAGED)
    trial = run(read_cases(FOLDER / "cases.yaml"), policy, [rule.id for rule in policy.rules])
    assert [str(failure) for failure in trial.failures] == []
    assert trial.idle == ()
    assert trial.cases > 30


def test_cases_that_hold(file: Path) -> None:
    trial = run(read_cases(file), cedar(TRAIN), ["train"])
    assert (trial.cases, trial.failures, trial.idle) == (2, (), ())


def test_a_failing_case_is_told_by_file_and_line(file: Path) -> None:
    nobody = rule('permit (principal in Role::"admin", action == Action::"train", resource)', "train")
    trial = run(read_cases(file), cedar(nobody), ["train"])
    assert [str(failure) for failure in trial.failures] == [
        f"{file}:6: jo trains: expected allow by train, got deny by no rule"
    ]
    assert trial.idle == ("train",)


def test_a_denial_by_an_error_is_not_the_denial_that_was_meant(file: Path) -> None:
    [first, second] = run(read_cases(file), Closed("no file")).failures
    assert str(first).endswith("jo trains: expected allow by train, got deny by no rule on an error (no file)")
    assert str(second).startswith(f"{file}:13: jo sees no log: expected deny, got deny by no rule on an error")


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"policies": ()}, "expected allow by , got allow by train"),
        ({"requires": ("explanation",)}, "expected allow requiring explanation, got allow by train"),
        ({"fails": True}, "expected allow on an error, got allow by train"),
        ({"expect": "refer"}, "expected refer, got allow by train"),
    ],
)
def test_everything_a_case_expects_counts(file: Path, expected: dict[str, object], told: str) -> None:
    case = read_cases(file)[0]
    row = case.row.model_copy(update={"policies": None, **expected})
    [failure] = run([replace(case, row=row)], cedar(TRAIN)).failures
    assert str(failure) == f"{file}:6: jo trains: {told}"


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        (
            "caller: jo\n",
            "caller: joe\n",
            ":7: cases[0].caller: 'joe' is not among the callers of this table (did you mean `jo`?)",
        ),
        (
            "model: credit\n",
            "model: credits\n",
            ":9: cases[0].model: 'credits' is not among the models of this table (did you mean `credit`?)",
        ),
        (
            "expect: allow",
            "expect: alow",
            ":10: cases[0].expect: 'alow' is none of allow, refer, deny (did you mean `allow`?)",
        ),
        ("purposes", "purpose", ":4: models.credit.purpose: unknown field; known here: purposes"),
        ("    expect: allow\n", "", ":6: cases[0].expect: is required and missing"),
        ("callers:", "callers", ":2: is not valid YAML"),
    ],
)
def test_a_typo_in_the_table_is_told_by_its_line(file: Path, was: str, becomes: str, told: str) -> None:
    file.write_text(TABLE.replace(was, becomes, 1))
    with pytest.raises(BadDeclaration) as caught:
        read_cases(file)
    assert f"{file}{told}" in str(caught.value)


def test_a_case_asks_what_it_says(file: Path) -> None:
    case: Case = read_cases(file)[0]
    assert (case.request.caller.name, case.request.caller.models, case.request.model) == ("jo", None, "credit")
    assert case.request.mandate is not None
    assert case.request.mandate.refer_from_ppm == 500_000


def test_the_example_of_the_manual_is_real(tmp_path: Path) -> None:
    """Its case fails as it says there, and holds once its rule is added."""
    manual = Path("docs/policy.md").read_text(encoding="utf-8")
    [case] = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    [added] = re.findall(r"```cedar\n(.*?)```", manual, re.DOTALL)
    table = tmp_path / "cases.yaml"
    table.write_text((FOLDER / "cases.yaml").read_text() + case)
    [failure] = run(read_cases(table), CedarPolicy(PACKAGED)).failures
    told = str(failure).split(": ", 1)[1]
    assert told in manual
    taught = CedarPolicy(PolicySet({**PACKAGED.files, "marketing.cedar": added}))
    assert run(read_cases(table), taught).failures == ()
