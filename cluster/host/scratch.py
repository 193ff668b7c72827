"""A folder for a job's own files, gone with the job; the next job, `up` and `down` sweep what killed ones left."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import IO, cast

_LOCK = ".lock"


def scratch_root(home: Path) -> Path:
    """Folder of that home for files that are one job's alone."""
    return home / "scratch"


@contextmanager
def scratch(root: Path, name: str) -> Iterator[Path]:
    """A new folder below `root` while the block runs; whoever lives holds a lock on the file beside it."""
    root.mkdir(parents=True, exist_ok=True)
    sweep(root)
    file, lock = _locked(root, name)
    folder = _folder(lock)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        file.close()


def sweep(root: Path) -> list[str]:
    """Remove what jobs left that no longer run, and say the folders' names."""
    swept = []
    for lock in root.glob(f"*{_LOCK}"):
        with suppress(FileNotFoundError), lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its job runs
            rmtree(_folder(lock), ignore_errors=True)
            lock.unlink(missing_ok=True)
            swept.append(_folder(lock).name)
    return sorted(swept)


def _locked(root: Path, name: str) -> tuple[IO[bytes], Path]:
    """A lock file of our own, locked; one that was swept before it could be locked is made anew."""
    while True:
        file = tempfile.NamedTemporaryFile(prefix=f"{name}-", suffix=_LOCK, dir=root, delete=False)  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_EX)
        if (lock := Path(file.name)).exists():
            return cast(IO[bytes], file), lock
        file.close()


def _folder(lock: Path) -> Path:
    return lock.with_name(lock.name.removesuffix(_LOCK))
