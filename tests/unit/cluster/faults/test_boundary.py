"""Whatever is raised, a person gets a sentence, and neither it nor the log holds a value."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from windvane.cluster.errors import Invalid
from windvane.cluster.faults.boundary import LARGEST, sentence
from windvane.configs.complaint import BadDeclaration, Complaint
from windvane.configs.schema import Feature
from windvane.configs.tables.bad_table import BadTable

NAME = "Maria Meier"


def raised(act: Callable[[], object]) -> Exception:
    try:
        act()
    except Exception as error:  # noqa: BLE001  to look at it
        return error
    raise AssertionError("nothing was raised")


def test_what_has_a_sentence_keeps_it(tmp_path: Path) -> None:
    assert sentence(Invalid("Not so."), tmp_path) == "Not so."
    assert sentence(BadTable("rows.csv: is empty"), tmp_path) == "rows.csv: is empty"
    assert sentence(BadDeclaration([Complaint("a.yaml", "name", 3, "no")]), tmp_path) == "a.yaml:3: name: no"
    assert sentence(FileNotFoundError(2, "No such file", "rows.csv"), tmp_path) == "rows.csv: No such file"
    assert not (tmp_path / "errors.log").exists()


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: 1 // 0, "This should not have happened: ZeroDivisionError at faults/test_boundary.py:"),
        (lambda: dict[str, int]()[NAME], "This should not have happened: KeyError at faults/test_boundary.py:"),
        (lambda: pa.array([NAME, 1]), "This should not have happened: ArrowTypeError at "),
        (
            lambda: (NAME + "é").encode("latin-1").decode(),
            "Text that is not utf-8 was met at faults/test_boundary.py:",
        ),
        (
            lambda: Feature.model_validate({"name": NAME, "type": "x"}),
            "What was found for Feature does not hold: type",
        ),
        (lambda: __import__("no_such_package"), "The package no_such_package is missing; install it into this"),
    ],
)
def test_what_has_none_gets_one_and_leaves_its_traceback_without_values(
    tmp_path: Path, act: Callable[[], object], said: str
) -> None:
    told = sentence(raised(act), tmp_path)
    assert told.startswith(said)
    assert told.endswith(f"; its traceback is in {tmp_path}/errors.log: send it with a report")
    kept = (tmp_path / "errors.log").read_text()
    assert "in raised\n" in kept
    assert NAME not in told + kept


def test_the_cause_of_a_sentence_is_kept_too(tmp_path: Path) -> None:
    def act() -> None:
        try:
            raise ValueError(NAME)
        except ValueError as error:
            raise BadTable("rows.csv: cannot be read") from error

    assert sentence(raised(act), tmp_path) == "rows.csv: cannot be read"
    kept = (tmp_path / "errors.log").read_text()
    assert "builtins.ValueError\nwhich led to\n" in kept


def test_a_log_that_grew_large_begins_anew_beside_one_older(tmp_path: Path) -> None:
    (tmp_path / "errors.log").write_text("x" * (LARGEST + 1))
    sentence(raised(lambda: 1 // 0), tmp_path)
    assert (tmp_path / "errors.log.1").stat().st_size == LARGEST + 1
    assert (tmp_path / "errors.log").read_text().endswith("builtins.ZeroDivisionError\n")


def test_a_home_that_cannot_be_written_hides_no_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    told = sentence(raised(lambda: 1 // 0), tmp_path / "home")
    assert told.startswith("This should not have happened: ZeroDivisionError")
    assert "could not be kept in" in told
