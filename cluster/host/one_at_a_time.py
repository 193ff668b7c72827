"""Only one `windvane up` or `down` of a home is at work at a time."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from windvane.cluster.errors import Unavailable

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 400.0


@contextmanager
def one_at_a_time(
    home: Path, progress: Callable[[str], None], patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[None]:
    """Make `home` and hold it until the block ends; what was made for nothing is removed again.

    The folder itself is locked, so that no file is left behind; a lock ends with the process that holds it.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(home, os.O_RDONLY)
        try:
            if _is_locked(held) and _still_is(home, held):
                break
        except BaseException:
            os.close(held)
            raise
        os.close(held)
        if time.monotonic() > deadline:
            raise Unavailable(
                f"Another `windvane up` or `down` of {home} has been at work for {patience_seconds:.0f} s."
            )
        progress("waiting for another `windvane up` or `down` of this home")
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        with suppress(OSError):  # it has something in it, as it should
            home.rmdir()
        os.close(held)


def _is_locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_is(home: Path, folder: int) -> bool:
    """Whether the open folder is what stands there now: who held it before may have removed it."""
    try:
        return os.path.samestat(os.fstat(folder), home.stat())
    except FileNotFoundError:
        return False
