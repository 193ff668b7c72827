"""The reference is the schema's, field by field, and the tutorial's examples are real."""

import inspect
import re
from functools import cache
from pathlib import Path

import pytest

from docs.generate import PAGE, meanings, page
from windvane.configs import schema
from windvane.configs.document import parse
from windvane.configs.schema import Declared, Feature

ROOT = PAGE.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("backtest", "benchmarks", "cluster", "configs", "docs", "examples", "monitoring", "serve_apps", "training")
ELSEWHERE = {"x.py", "ray/serve/_private/replica.py"}  # an example, and a file of Ray's


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in re.findall(r"^#+ (.*)$", text, re.M)}


@cache
def our_files() -> list[str]:
    return [each.relative_to(ROOT).as_posix() for name in (*PACKAGES, "tests") for each in (ROOT / name).rglob("*.py")]


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        there = document.parent / path if path else document
        assert there.exists(), f"{document.name} links to {link}"
        assert not anchor or anchor in anchors(there), f"{document.name} links to {link}"


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_file_that_a_page_names_is_there(document: Path) -> None:
    files = our_files()
    for path in re.findall(r"(?<![\w<>_/.])([a-z_][\w/]*\.py)\b", document.read_text(encoding="utf-8")):
        ending = f"/{path.removeprefix('windvane/')}"
        is_there = path in ELSEWHERE or any(f"/{each}".endswith(ending) for each in files)
        assert is_there, f"{document.name} names {path}"


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for document in (ROOT / "docs").glob("*.md"):
        assert document.name == "README.md" or f"]({document.name}" in index, (
            f"docs/README.md does not list {document.name}"
        )


def test_the_readme_is_read_in_some_minutes() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900


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
            assert "::test_" in cell, f"{event.strip()} under {setting} names no test"


def test_a_page_without_the_mark_is_not_overwritten() -> None:
    with pytest.raises(SystemExit, match="has lost the line"):
        page("# Declaring a model\n")


def test_the_features_of_the_tutorial_can_be_declared() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for feature in parse(block).value["features"]:
        Feature.model_validate(feature)
