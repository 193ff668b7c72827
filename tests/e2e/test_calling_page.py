"""Programs do here what docs/calling.md tells them, word for word; only the ports are the tests' own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import GRPC_PORT, PORT, Place
from tests.e2e.untrained import untrained
from windvane.configs.load import load_model, load_settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "calling.md"
MODEL = "flight-delay"
PORTS = {"127.0.0.1:8000": f"127.0.0.1:{PORT}", "127.0.0.1:9000": f"127.0.0.1:{GRPC_PORT}"}


def blocks() -> list[tuple[str, str]]:
    """Language and text of every fenced block of the page's section."""
    section = PAGE.read_text().partition("## From a program\n")[2].partition("\n## ")[0]
    return re.findall(r"^```(\w+)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def flights(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The declaration that the page speaks of, with a version that no flights were needed for."""
    settings = load_settings(place.environment | {"WINDVANE_MODELS": str(ROOT / "configs" / "models")})
    with untrained(place, load_model(MODEL, settings), tmp_path_factory.mktemp(MODEL)):
        yield place


@pytest.mark.parametrize(("language", "text"), blocks())
def test_what_the_page_says_a_program_can_ask_is_answered(flights: Place, language: str, text: str) -> None:
    for written, here in PORTS.items():
        text = text.replace(written, here)
    command = {"sh": ["bash", "-e", "-c", text], "python": [sys.executable, "-W", "error", "-c", text]}[language]
    key = flights.key["authorization"].removeprefix("Bearer ")
    done = subprocess.run(command, env=os.environ | {"WINDVANE_KEY": key}, capture_output=True, text=True, timeout=60.0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"none|watch|notify", done.stdout), done.stdout


def test_the_page_shows_the_shell_and_both_kinds_of_python() -> None:
    written = blocks()
    assert [language for language, _ in written] == ["sh", "python", "python"]
    assert all(any(f"{tool} " in text for _, text in written) for tool in ("curl", "requests", "tritonclient"))
