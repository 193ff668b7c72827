"""Gives each pytest-xdist worker a share of the test files, so that none imports what only another runs.

`-n 2 --dist each -p tests.shares`: collecting everything in every worker, as the other ways to distribute demand, took
a quarter of the unit tests' time.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest


def share_of(files: Sequence[tuple[Path, int]], worker: int, workers: int) -> frozenset[Path]:
    """One worker's files out of all, which are given with their sizes in bytes; large ones are dealt out first.

    >>> [len(share_of([(Path("a"), 9), (Path("b"), 5), (Path("c"), 4)], worker, 2)) for worker in (0, 1)]
    [1, 2]
    """
    dealt = sorted(files, key=lambda file: (file[0].name.startswith("test_"), file[1], file[0]), reverse=True)
    turns = (*range(workers), *reversed(range(workers)))
    return frozenset(path for place, (path, _) in enumerate(dealt) if turns[place % len(turns)] == worker)


@cache
def _ours(roots: tuple[Path, ...], worker: int, workers: int) -> frozenset[Path]:
    found = {path for root in roots for path in ([root] if root.is_file() else root.rglob("*.py"))}
    return share_of([(path, path.stat().st_size) for path in found], worker, workers)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave another worker's file out; whoever is no worker collects everything."""
    known = getattr(config, "workerinput", None)
    if known is None or collection_path.suffix != ".py" or collection_path.name == "__init__.py":
        return None
    roots = tuple((config.invocation_params.dir / each.partition("::")[0]).resolve() for each in config.args)
    ours = _ours(roots, int(known["workerid"].removeprefix("gw")), known["workercount"])
    return True if collection_path not in ours else None
