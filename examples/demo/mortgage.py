"""`windvane demo --model mortgage`: decisions about people and what they are owed, in four scenes."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from windvane.cluster.cli.operate import progress_line
from windvane.configs.load import load_model
from windvane.configs.schema import ModelSpec
from windvane.configs.settings import Settings
from windvane.examples import mortgages
from windvane.examples.demo.agreement import agreement
from windvane.examples.demo.erasure import erased
from windvane.examples.demo.letter import declined
from windvane.examples.demo.running import Running
from windvane.examples.demo.scene import MODEL, Application, Audit, Audited, Office, Scene, ask
from windvane.examples.demo.tampering import tampered

WIDTH = 100
_BEGINS = re.compile(r" *(?:- |\S+(?: \S+){0,2}  +)?")
INTRODUCTION = (
    "Would a lender reject this mortgage application? 1,989 real applications from Boston, decades old, with what the",
    "lender did. What is shown is what people are owed when they are decided about; the model is none to lend by.",
    "The demo uses the first key, which may do everything; in earnest client, owner and compliance have one each.",
)


class Command:
    """`windvane audit verify`, as an auditor runs it who has a public key and a copy of the log."""

    def __init__(self, public_key: Path) -> None:
        self._public_key = public_key

    def verify(self, home: Path) -> Audited:
        """Exit code, and everything that it printed."""
        windvane = Path(sys.executable).with_name("windvane")
        command = [str(windvane), "audit", "verify", "--key", str(self._public_key)]
        environment = os.environ | {"WINDVANE_HOME": str(home)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return Audited(done.returncode, tuple((done.stdout + done.stderr).splitlines()))


def run(settings: Settings, folder: Path, console: Console) -> list[str]:
    """From nothing to the end of the last scene; returns every promise that was not kept."""
    spec = load_model(MODEL, settings)
    rows = mortgages.load().to_pylist()
    for line in INTRODUCTION:
        console.print(line, markup=False, soft_wrap=True)
    with progress_line() as progress:
        running = Running(settings, spec, progress)
        running.finish(running.train("train-v1", "first version"))
        progress("deploying version 1")
        running.deploy()
    say(console, ["", *_limits(running.api.card(MODEL, 1)["page"])])
    audit = Command(settings.signing_key_file.with_name(f"{settings.signing_key_file.name}.pub"))
    broken: list[str] = []
    for number, scene in enumerate(scenes(running.api, audit, Path(settings.home), folder / "copies", rows, spec), 1):
        console.print(f"\n{number}. {scene.title}\n", style="bold", markup=False)
        say(console, scene.lines)
        broken += scene.broken
    say(
        console,
        ["", f"The two changed logs lie under {folder / 'copies'}; docs/mortgage.md says what these rows cannot tell."],
    )
    return broken


def scenes(
    office: Office, audit: Audit, home: Path, folder: Path, rows: Sequence[Application], spec: ModelSpec
) -> Iterator[Scene]:
    """All four, each when it is asked for; copies of the log of `home` go under `folder`."""
    features = [feature.name for feature in spec.features]
    personal = [feature.name for feature in spec.features if feature.personal]
    yield agreement(office, rows[0], features)
    cases = list(ask(office, rows, features))
    scene, case = declined(office, cases, features)
    yield scene
    if case is None:
        return
    yield erased(office, audit, home, case, features, personal)
    other = next((each for each in cases if each.action == "decline" and each.applicant != case.applicant), cases[0])
    yield tampered(office, audit, home, folder, other.application, features)


def say(console: Console, lines: Sequence[str]) -> None:
    """Print each line, folded below where its text begins."""
    for line in lines:
        console.print("\n".join(folded(line)), markup=False, soft_wrap=True)


def folded(line: str) -> list[str]:
    """The line in pieces; what follows a bullet, or a word or two and then two spaces, is a column of its own."""
    begins = _BEGINS.match(line)
    indent = " " * (begins.end() if begins else 0)
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _limits(card: str) -> list[str]:
    """Limits of the version, by its own card."""
    limits = card.partition("## Limits\n")[2].partition("\n\n")[0]
    return [
        "Version 1 answers. Its card (`windvane model card mortgage`) ends with its limits:",
        "",
        *limits.splitlines(),
    ]
