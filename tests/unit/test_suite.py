"""Shared code of tests stands in worlds and conftests: no test module needs another, and none names what is private."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests").rglob("*.py"))
OURS = {"benchmarks", "tests", "windvane"}
PATCHES = {"setattr", "delattr", "getattr", "hasattr"}  # take a name as text, which ruff's SLF001 does not see


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The last part of every attribute that is patched or read by its name."""
    for node in nodes:
        if isinstance(node, ast.Call):
            function = node.func
            called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if called in PATCHES:
                texts = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
                yield from (text.rpartition(".")[2] for text in texts if isinstance(text, str))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def faults(tree: ast.Module) -> list[str]:
    """Imports of a test module or of something private, and private names that are patched or read as text."""
    found, nodes = [], list(ast.walk(tree))
    for name in imported(nodes):
        parts = name.split(".")
        if any(part.startswith("test_") for part in parts) or (parts[0] in OURS and any(map(is_private, parts))):
            found.append(name)
    return found + [name for name in named(nodes) if is_private(name)]


def test_no_test_imports_another_or_names_what_is_private() -> None:
    found = {str(file.relative_to(ROOT)): faults(ast.parse(file.read_text())) for file in FILES}
    assert len(found) > 200
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_no_test_has_an_example_in_a_docstring_for_there_none_is_run() -> None:
    assert [file for file in FILES if ">" * 3 + " " in file.read_text()] == []


@pytest.mark.parametrize(
    "text",
    [
        "from tests.unit.test_docs import links",
        "import tests.unit.test_docs",
        "from tests.unit import test_docs",
        "def late():\n    from tests.e2e.test_loop import rows",
        "from windvane.cluster.disk import _folders",
        'patch.setattr(module, "_kept", 1)',
        'patch.setattr("a.b._kept", 1)',
        'getattr(found, "_kept")',
    ],
)
def test_each_of_them_is_seen(text: str) -> None:
    assert len(faults(ast.parse(text))) == 1


def test_what_is_public_is_none_of_them() -> None:
    assert faults(ast.parse('from tests.worlds.bundles import SPEC\npatch.setattr(module, "KEPT", 1)')) == []
