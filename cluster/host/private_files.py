"""Keeps a home to its owner: folders 0700 and files 0600, whatever umask processes were started with."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OTHERS = 0o077  # what a mode lets everybody but the owner do


def keep_private() -> None:
    """From here on this process, and those it starts, make files that nobody else can read."""
    os.umask(OTHERS)


@contextmanager
def privately() -> Iterator[None]:
    """The same until the block ends, for a process that makes files for its user, too."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def make_private(home: Path) -> int:
    """Take from others what they may do to the folder and what lies in it; returns how many were open to them.

    A folder before what is in it, so that nobody puts a link where a file was looked at. What another user owns, links,
    and what a running Ray takes away meanwhile, stay as they are.
    """
    closed = int(_close(home))
    for folder, folders, files in os.walk(home):
        closed += sum(_close(Path(folder, name)) for name in (*folders, *files))
    return closed


def _close(path: Path) -> bool:
    with suppress(FileNotFoundError):
        found = path.lstat()
        ours = found.st_uid == os.geteuid() and (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode))
        if ours and found.st_mode & OTHERS:
            path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
            return True
    return False
