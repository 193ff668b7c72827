"""The `python` that jobs on our head find first: runs our training job where a job's own folder has a `training` too.

`ray job submit --working-dir . -- python -m training.retrain` puts the user's folder before everything else.
"""

import shlex
import sys
from pathlib import Path

from cluster.jobs import PROGRAM, TRAINING

_SCRIPT = """#!/bin/sh
if [ "$1 $2" = "-m {training}" ]; then
  shift 2
  exec {python} {program} {training} "$@"
fi
exec {python} "$@"
"""


def folder(run: Path) -> Path:
    """What goes first on the PATH of the head."""
    return run / "bin"


def write(run: Path) -> None:
    """Make `python` and `python3`, which are this process's Python."""
    folder(run).mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        script = folder(run) / name
        python, program = shlex.quote(sys.executable), shlex.join(PROGRAM)
        script.write_text(_SCRIPT.format(python=python, program=program, training=TRAINING))
        script.chmod(0o700)
