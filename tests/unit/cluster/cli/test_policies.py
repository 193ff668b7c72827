"""`windvane policy`: from files, with file and line where something is wrong."""

from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner, Result

from tests.worlds.policies import FOLDER, PACKAGED
from windvane.cluster.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copytree(FOLDER, tmp_path / "policies")


def windvane(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["policy", *arguments], env=environment)


def edit(file: Path, was: str, becomes: str) -> None:
    text = file.read_text()
    assert was in text
    file.write_text(text.replace(was, becomes, 1))


def test_check_names_the_version(folder: Path) -> None:
    result = windvane("check", "--policies", str(folder))
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{folder}: 20 policies can be taken, version {PACKAGED.version}\n"


def test_the_set_beside_the_models_is_the_usual_one(folder: Path) -> None:
    (folder.parent / "models").mkdir()
    result = windvane("check", WINDVANE_MODELS=str(folder.parent / "models"))
    assert str(folder) in result.stdout
    beside_none = windvane("check", WINDVANE_MODELS=str(folder / "nothing-beside"))
    assert str(FOLDER.absolute()) in beside_none.stdout


def test_check_names_every_problem_by_file_and_line(folder: Path) -> None:
    edit(folder / "act.cedar", "context.risk_ppm >= 0", "context.risk >= 0")
    edit(folder / "decide.cedar", "@owner", "@keeper")
    result = windvane("check", "--policies", str(folder))
    assert result.exit_code == 1
    assert "decide.cedar:3: has no @owner" in result.stderr
    edit(folder / "decide.cedar", "@keeper", "@owner")
    assert "act.cedar:23: attribute `risk`" in windvane("check", "--policies", str(folder)).stderr


def test_check_names_a_rule_that_would_end_cedars_parser(folder: Path) -> None:
    """The command ended with 139 and no word."""
    edit(folder / "act.cedar", "context.risk_ppm >= 0", f"{'(' * 800}context.risk_ppm >= 0{')' * 800}")
    result = windvane("check", "--policies", str(folder))
    assert result.exit_code == 1
    assert "act.cedar:23: has 801 brackets within each other, and 40 is the most" in result.stderr


def test_check_warns_of_overdue_reviews(folder: Path) -> None:
    edit(folder / "admin.cedar", '@review_by("2027-10-01")', '@review_by("2020-01-01")')
    result = windvane("check", "--policies", str(folder))
    assert result.exit_code == 0
    told = "admin.cedar:3: owners-change-models should have been reviewed by 2020-01-01; ask platform@example.org"
    assert told in result.stderr


def test_the_cases_hold(folder: Path) -> None:
    result = windvane("test", "--policies", str(folder))
    assert result.exit_code == 0, result.output
    assert result.stdout == f"55 of 55 cases judged as expected, by {PACKAGED.version[:12]}\n"


def test_a_case_that_fails_is_named_by_file_and_line(folder: Path) -> None:
    edit(
        folder / "act.cedar",
        "context.risk_ppm >= resource.refer_from_ppm",
        "context.risk_ppm > resource.refer_from_ppm",
    )
    result = windvane("test", "--policies", str(folder))
    assert result.exit_code == 1
    failing = (
        "a high risk goes to a person: expected refer by high-risk, got allow by act-adverse requiring explanation"
    )
    assert f"{folder}/cases.yaml:" in result.stderr
    assert failing in result.stderr
    assert result.stdout.startswith("54 of 55 cases")


def test_a_rule_that_no_case_exercises_is_named(folder: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.yaml"
    few.write_text(
        "callers: {jo: {roles: [owner]}}\ncases: [{name: a look, caller: jo, action: view, expect: allow}]\n"
    )
    result = windvane("test", "--policies", str(folder), "--cases", str(few))
    assert result.exit_code == 0
    assert "No case was determined by four-eyes: write one" in result.stderr


def test_no_cases_prove_nothing(folder: Path, tmp_path: Path) -> None:
    none = tmp_path / "none.yaml"
    none.write_text("callers: {}\ncases: []\n")
    assert windvane("test", "--policies", str(folder), "--cases", str(none)).exit_code == 1
