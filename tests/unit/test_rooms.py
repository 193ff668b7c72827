"""A folder reads as a list of answers: no more than 17 modules stand in one, and its `__init__` asks one question."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("backtest", "cluster", "configs", "monitoring", "serve_apps", "training")
MOST_MODULES = 17  # besides `__init__`
ROOMS = sorted({path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")})


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_is_a_question_and_its_modules_can_be_looked_over(room: Path) -> None:
    modules = [path.stem for path in room.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES, f"{room}: {sorted(modules)}"
    asked = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    assert "?" in asked, f"{room / '__init__.py'} says {asked!r}"
