"""Ours run, whatever packages of the same names as our folders lie in the current folder or on PYTHONPATH."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import windvane
from windvane.cluster.jobs import TRAINING
from windvane.configs.settings import USERS_FOLDER

FOLDERS = ("backtest", "cluster", "configs", "examples", "monitoring", "serve_apps", "training")
OURS = "usage: python -m windvane.training.retrain"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's, with packages of its own that happen to be called as our folders are."""
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the user has this too')\n")
    (tmp_path / "training" / "retrain.py").write_text("raise SystemExit('the user trains')\n")
    (tmp_path / "claims.py").write_text("import pyarrow as pa\n\n\ndef rows():\n    return pa.table({'paid': [7]})\n")
    return tmp_path


def printed(folder: Path, *words: str, **variables: str) -> str:
    """Output of a command that is called there."""
    found = os.pathsep.join(each for each in sys.path if each)
    path = os.pathsep.join(filter(None, (variables.pop("first", ""), found)))
    environment = os.environ | {"PYTHONPATH": path} | variables
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_every_folder_is_a_package_of_windvane() -> None:
    links = Path(windvane.__file__).parent
    assert {each.name for each in links.iterdir() if each.is_symlink()} == set(FOLDERS)
    assert all((links / name / "__init__.py").is_file() for name in FOLDERS)


def test_our_training_is_run_in_a_repository_with_a_training_of_its_own(repository: Path) -> None:
    assert printed(repository, sys.executable, "-m", TRAINING, "--help").startswith(OURS)


def test_the_command_line_is_ours_although_pythonpath_has_all_of_its_names(repository: Path) -> None:
    program = "from windvane.cluster.cli import command; command()"
    assert printed(repository, sys.executable, "-c", program, first=".").startswith("Usage: ")


def test_a_users_own_modules_are_found_where_windvane_was_called(repository: Path) -> None:
    program = "from windvane.configs.tables.function import call; print(call('python:claims:rows')['paid'].to_pylist())"
    elsewhere = repository.parent
    printed_there = printed(elsewhere, sys.executable, "-P", "-c", program, **{USERS_FOLDER: str(repository)})
    assert printed_there == "[7]\n"
