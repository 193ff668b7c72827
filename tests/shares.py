"""Runs the tests in two processes, each with its own share of the files.

    python -m tests.shares tests/unit configs

Workers of pytest-xdist all collect what only one of them runs, and report every step of every test to a third process:
together a quarter of the unit tests' time.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

SHARES = 2
SHARE = "WINDVANE_TESTS_SHARE"  # a variable: which of them this process runs


def share_of(files: Sequence[tuple[Path, int]], share: int, shares: int) -> frozenset[Path]:
    """One share of all files, which are given with their sizes in bytes; large ones are dealt out first.

    >>> [len(share_of([(Path("a"), 9), (Path("b"), 5), (Path("c"), 4)], share, 2)) for share in (0, 1)]
    [1, 2]
    """
    dealt = sorted(files, key=lambda file: (file[0].name.startswith("test_"), file[1], file[0]), reverse=True)
    turns = (*range(shares), *reversed(range(shares)))
    return frozenset(path for place, (path, _) in enumerate(dealt) if turns[place % len(turns)] == share)


@cache
def _ours(roots: tuple[Path, ...], share: int) -> frozenset[Path]:
    found = {path for root in roots for path in root.rglob("*.py")}
    return share_of([(path, path.stat().st_size) for path in found], share, SHARES)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a file of another share out; without a share, none."""
    share = os.environ.get(SHARE)
    if share is None or collection_path.suffix != ".py" or collection_path.name == "__init__.py":
        return None
    roots = tuple((config.invocation_params.dir / each).resolve() for each in config.args)
    return None if collection_path in _ours(roots, int(share)) else True


def main(arguments: Sequence[str]) -> int:
    """Run every share at once and show what each says; the first status that is not 0, or 0."""
    if any(Path(each).is_file() for each in arguments):
        sys.exit("pytest collects a file that is named in every share: name folders, or run it with pytest")
    command = (sys.executable, "-m", "pytest", "-p", "tests.shares", *arguments)
    with ExitStack() as held:
        out, err = ([held.enter_context(tempfile.TemporaryFile()) for _ in range(SHARES)] for _ in range(2))
        running = [
            subprocess.Popen(command, env=os.environ | {SHARE: str(share)}, stdout=out[share], stderr=err[share])
            for share in range(SHARES)
        ]
        statuses = [process.wait() for process in running]
        for files, stream in (err, sys.stderr), (out, sys.stdout):  # libraries complain after pytest's summary
            for file in files:
                file.seek(0)
                stream.write(file.read().decode(errors="replace"))
            stream.flush()
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
