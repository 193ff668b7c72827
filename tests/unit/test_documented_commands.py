"""Every command in the docs is one: the verb is there and takes the options; modules and make targets are there too.

What the commands of README.md and docs/calling.md do is run end to end (`tests/e2e/test_own_model.py`,
`tests/e2e/test_calling_page.py`).
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from windvane.cluster.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# Verbs that hand their options on, and where those are declared.
HANDED_ON = {"demo": "examples/demo/__main__.py", "backtest": "backtest/__main__.py"}


def code(document: Path) -> Iterator[str]:
    """Lines of code blocks, and code between backticks, on one line each."""
    text = re.sub(r"\\\n\s*", " ", document.read_text(encoding="utf-8"))
    for block in re.findall(r"^```[^\n]*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from (" ".join(each.split()) for each in re.findall(r"`([^`]+)`", prose))


def fault_of(line: str) -> str | None:
    """Fault of a `windvane` command: an unknown verb, or an option that the verb does not take."""
    words = re.sub(r"\"[^\"]*\"|'[^']*'|[\[\]]|\s#.*", " ", line).split()
    found: click.Command = main
    while words and isinstance(found, click.Group):
        name = words.pop(0)
        alternatives = [name]  # `pause | resume MODEL`
        while len(words) > 1 and words[0].strip("\\") == "|":
            alternatives.append(words[1])
            del words[:2]
        verbs = [found.get_command(click.Context(found), each) for each in alternatives]
        if None in verbs:
            return f"no verb {' | '.join(alternatives)}"
        assert verbs[-1] is not None
        found = verbs[-1]
    taken = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    if found.name in HANDED_ON:
        taken |= set(re.findall(r'"(--[a-z-]+)"', (ROOT / HANDED_ON[found.name]).read_text(encoding="utf-8")))
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in taken]
    return f"{found.name} takes no {unknown[0]}" if unknown else None


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_command_is_there_and_takes_these_options(document: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in code(document):
        told = re.match(r"(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?windvane ((?!/)[a-z].*)", line)
        fault = fault_of(told[1].split(" | ")[0] if " | windvane" in told[1] else told[1]) if told else None
        assert fault is None, f"{document.name}: {line}: {fault}"
        for module in re.findall(r"python3? -m ([\w.]+)", line):
            assert find_spec(module) is not None, f"{document.name}: {line}: there is no {module}"
        for target in re.findall(r"^(?:\$ )?make ([a-z0-9-]+)", line):
            assert target in targets, f"{document.name}: {line}: no target {target}"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("status --watch", None),
        ("rollout pause | resume MODEL --reason …", None),
        ("stats", "no verb stats"),
        ("rollout pause | halt MODEL", "no verb pause | halt"),
        ("status [--wacht]", "status takes no --wacht"),
        ('decisions MODEL --sql "select --x"', None),
    ],
)
def test_a_command_that_is_none_is_found(line: str, fault: str | None) -> None:
    assert fault_of(line) == fault
