"""Ours run, whatever packages of the same names lie in the current folder or on PYTHONPATH."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import windvane_start
from cluster import job_python
from cluster.jobs import PROGRAM, TRAINING

OURS = "usage: python -m training.retrain"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's, with packages of its own that happen to be called as ours are."""
    for name in windvane_start.PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the user has this too')\n")
    (tmp_path / "training" / "retrain.py").write_text("raise SystemExit('the user trains')\n")
    (tmp_path / "claims.py").write_text("ROWS = 7\n")
    return tmp_path


def printed(folder: Path, *words: str, **variables: str) -> str:
    """What a command says when it is called there."""
    found = os.pathsep.join(each for each in sys.path if each)
    path = os.pathsep.join(filter(None, (variables.pop("first", ""), found)))
    environment = os.environ | {"PYTHONPATH": path} | variables
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_our_training_is_run_in_a_repository_with_a_training_of_its_own(repository: Path) -> None:
    words = (sys.executable, *PROGRAM, TRAINING, "--help")
    assert printed(repository, *words).startswith(OURS)


def test_the_command_line_is_ours_although_pythonpath_has_all_of_its_packages(repository: Path) -> None:
    program = "import windvane_start; windvane_start.windvane()"
    assert printed(repository, sys.executable, "-c", program, first=".").startswith("Usage: ")


def test_a_job_that_calls_for_our_training_gets_it(repository: Path, tmp_path: Path) -> None:
    """`ray job submit --working-dir . -- python -m training.retrain` puts that folder before everything else."""
    job_python.write(tmp_path)
    python = str(job_python.folder(tmp_path) / "python")
    assert printed(repository, python, "-m", TRAINING, "--help", first=".").startswith(OURS)
    assert printed(repository, python, "-m", "claims", first=".") == ""
    assert printed(repository, f"{python}3", "-c", "print('it' + ' runs')") == "it runs\n"


def test_a_users_own_modules_are_found_where_windvane_was_called(repository: Path) -> None:
    program = "import windvane_start as w; w.pin(); w.find_users_modules(); import claims; print(claims.ROWS)"
    elsewhere = repository.parent
    assert printed(elsewhere, sys.executable, "-P", "-c", program, WINDVANE_USERS_FOLDER=str(repository)) == "7\n"


def test_pinning_twice_is_pinning_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = len(sys.meta_path)
    windvane_start.pin()
    windvane_start.pin()
    assert len(sys.meta_path) == before + 1
    assert sys.meta_path[0].find_spec("json", None) is None


def test_only_programs_of_ours_are_started(repository: Path) -> None:
    assert "Name a module of Windvane's" in printed(repository, sys.executable, *PROGRAM, "os")
    assert "Name a module of Windvane's" in printed(repository, sys.executable, *PROGRAM)


def test_a_user_without_a_folder_gets_the_home(tmp_path: Path) -> None:
    """MLflow asks for it as it is imported: `Could not determine home directory`."""
    program = (
        "import os, pathlib\n"
        "def nobody(*_): raise RuntimeError\n"
        "pathlib.Path.home = nobody\n"
        "import windvane_start; windvane_start.have_a_home(); print(os.environ['HOME'])"
    )
    assert printed(tmp_path, sys.executable, "-c", program, WINDVANE_HOME="/srv/wv") == "/srv/wv\n"
    assert printed(tmp_path, sys.executable, "-c", program, WINDVANE_HOME="") == f"{tmp_path}/var\n"
