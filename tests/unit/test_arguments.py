"""Nothing of ours is called with more than seven arguments: what goes together is a record, and goes by its name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("backtest", "cluster", "configs", "examples", "monitoring", "serve_apps", "training")
FOLDERS = (*PACKAGES, "benchmarks", "docs", "tests")
MOST = 7
# Whatever else decorates a function calls it: a route has a query's parameters, a command its options, a kernel arrays.
STILL_OURS = {"asynccontextmanager", "cache", "classmethod", "contextmanager", "property", "staticmethod"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def arguments(function: Function, is_method: bool) -> int:
    named = function.args
    bound = is_method and "staticmethod" not in decorators(function)
    return len(named.posonlyargs) + len(named.args) + len(named.kwonlyargs) - bound


def decorators(function: Function) -> set[str]:
    return {ast.unparse(each) for each in function.decorator_list}


def is_held(function: Function) -> bool:
    """Whether it is a constructor, or a public function that we alone call."""
    if function.name.startswith("_"):
        return function.name == "__init__"
    return decorators(function) <= STILL_OURS


def held(within: ast.Module | ast.ClassDef) -> Iterator[tuple[str, int]]:
    """Every such function of a module and of its classes, and how many arguments it takes."""
    for node in within.body:
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{name}", count) for name, count in held(node))
        elif isinstance(node, Function) and is_held(node):
            yield node.name, arguments(node, isinstance(within, ast.ClassDef))


def too_many(text: str) -> list[str]:
    return [f"{name} takes {count}" for name, count in held(ast.parse(text)) if count > MOST]


def test_no_constructor_and_no_public_function_takes_more_than_seven() -> None:
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 700
    found = {str(file.relative_to(ROOT)): too_many(file.read_text()) for file in files}
    assert {name: functions for name, functions in found.items() if functions} == {}


@pytest.mark.parametrize(
    "text",
    [
        "def join(a, b, c, d, e, f, g, h): ...",
        "async def join(a, b, /, c, d, e, *, f, g, h=1): ...",
        "class Log:\n    def __init__(self, a, b, c, d, e, f, g, h): ...",
        "class Log:\n    class Part:\n        def __init__(self, a, b, c, d, *, e, f, g, h): ...",
        "class Log:\n    @staticmethod\n    def join(a, b, c, d, e, f, g, h): ...",
        "@contextmanager\ndef opened(a, b, c, d, e, f, g, h): ...",
    ],
)
def test_each_of_them_is_seen(text: str) -> None:
    assert len(too_many(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "def join(a, b, c, d, e, f, g, *more, **named): ...",
        "class Log:\n    def __init__(self, a, b, c, d, e, f, g): ...",
        "class Log:\n    @classmethod\n    def made(cls, a, b, c, d, e, f, g): ...",
        "@kept\ndef walk(a, b, c, d, e, f, g, h): ...",
        "@click.command()\n@click.option('--a')\ndef replay(a, b, c, d, e, f, g, h): ...",
        "@dataclass\nclass Row:" + "".join(f"\n    {name}: int" for name in "abcdefgh"),
    ],
)
def test_what_takes_no_more_or_is_called_by_a_framework_is_none_of_them(text: str) -> None:
    assert too_many(text) == []
