"""Starts Windvane's own programs, whatever packages lie in the current folder or on PYTHONPATH.

    python -m windvane_start training.retrain --model churn

Windvane's packages have names that others use too: where a repository has a `training` of its own, `python -m
training.retrain` would run that. Once this module is imported and `pin` is called, the names are Windvane's in the
process, and everything else is found as before.
"""

import os
import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

ROOT = str(Path(__file__).resolve().parent)
PACKAGES = ("backtest", "cluster", "configs", "examples", "monitoring", "serve_apps", "training")
USERS_FOLDER = "WINDVANE_USERS_FOLDER"  # a variable: where `windvane up` was called, and the user's own modules lie


class Pinned(MetaPathFinder):
    """Finds Windvane's packages beside this file, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The package beside this file; None for every other module, and where there is no such package here."""
        return PathFinder.find_spec(fullname, [ROOT], target) if path is None and fullname in PACKAGES else None


def pin() -> None:
    """From here on the names are Windvane's; doing it twice changes nothing."""
    if not any(isinstance(finder, Pinned) for finder in sys.meta_path):
        sys.meta_path.insert(0, Pinned())


def have_a_home() -> None:
    """Libraries ask for the user's folder, which a user without a name, as in many containers, may not have."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(Path(os.environ.get("WINDVANE_HOME") or "var").absolute())


def find_users_modules() -> None:
    """Let functions that a declaration names as its source be found where `windvane` was called, after all else."""
    for folder in (os.environ.get(USERS_FOLDER), os.getcwd()):
        if folder and folder not in sys.path:
            sys.path.append(folder)


def run(program: str) -> None:
    """Run one of Windvane's modules as `python -m` would, with `sys.argv` as its arguments."""
    pin()
    have_a_home()
    find_users_modules()
    runpy.run_module(program, run_name="__main__", alter_sys=True)


def retrain() -> None:
    """What `windvane-retrain` runs: for `ray job submit -- windvane-retrain --model …`."""
    run("training.retrain")


def windvane() -> None:
    """What `windvane` runs."""
    pin()
    have_a_home()
    from cluster.cli import main

    main()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].partition(".")[0] not in PACKAGES:
        sys.exit(f"Name a module of Windvane's, such as training.retrain: one of {', '.join(PACKAGES)}")
    sys.argv = sys.argv[1:]
    run(sys.argv[0])
