"""The reference is the schema's, field by field, and the tutorial's examples are real."""

import inspect
import re

import pytest

from docs.generate import PAGE, meanings, page
from windvane.configs import schema
from windvane.configs.document import parse
from windvane.configs.schema import Declared, Feature


def test_the_field_reference_is_up_to_date_with_the_schema() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert page(written) == written, "run `make docs`"


def test_every_field_says_what_it_means() -> None:
    for model in vars(schema).values():
        if inspect.isclass(model) and issubclass(model, Declared):
            silent = [field for field, meaning in meanings(model).items() if not meaning]
            assert not silent, f"{model.__name__} in configs/schema.py: no comment at {silent}"


def test_every_test_that_a_page_names_is_there() -> None:
    root = PAGE.parent.parent
    for document in sorted((root / "docs").glob("*.md")):
        for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", document.read_text(encoding="utf-8")):
            assert (root / path).is_file(), f"{document.name} names {path}"
            assert f"def {name}" in (root / path).read_text(encoding="utf-8"), f"{document.name} names {path}::{name}"


def test_every_row_of_what_survives_names_a_test_for_each_setting() -> None:
    text = (PAGE.parent / "durability.md").read_text(encoding="utf-8").partition("## What is left")[2]
    rows = [line.split("|")[1:-1] for line in text.partition("What a crash excuses")[0].splitlines() if "|" in line][2:]
    assert len(rows) == 6
    for event, *cells in rows:
        for setting, cell in zip(("committed", "buffered", "others"), cells, strict=True):
            assert "::test_" in cell or not cell.strip(), f"{event.strip()} under {setting} names no test"


def test_a_page_without_the_mark_is_not_overwritten() -> None:
    with pytest.raises(SystemExit, match="has lost the line"):
        page("# Declaring a model\n")


def test_the_features_of_the_tutorial_can_be_declared() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for feature in parse(block).value["features"]:
        Feature.model_validate(feature)
