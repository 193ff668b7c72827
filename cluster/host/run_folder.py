"""The folder in which Ray and HAProxy keep sockets, sessions and logs, under a path that both can use."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from windvane.cluster.errors import Unavailable

LONGEST_TEMPORARY = 60  # characters: Ray's dashboard binds sockets some 40 below TMPDIR
LONGEST = 24  # characters: HAProxy binds Unix sockets up to 82 characters below it, and Linux allows 107
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+", re.ASCII)  # HAProxy's configuration takes a path as one word


def suits(path: Path) -> bool:
    """Whether sockets below that path can be bound, and HAProxy can read it.

    >>> suits(Path("/home/ada/var/run")), suits(Path("/my models/run")), suits(Path("/home/ada/projects/churn/run"))
    (True, False, False)
    """
    return len(str(path)) <= LONGEST and _PLAIN.fullmatch(str(path)) is not None


def shortest(home: Path, folders: Iterable[Path] | None = None) -> Path | None:
    """The path by which the processes know `home`'s folder: its own, else a link in one of `folders`, else None."""
    run = home / "run"
    if suits(run):
        return run
    name = f"windvane-{hashlib.sha256(str(run).encode()).hexdigest()[:10]}"
    links = [folder / name for folder in (temporary() if folders is None else folders)]
    return next((link for link in links if suits(link) and os.access(link.parent, os.W_OK | os.X_OK)), None)


def temporary() -> tuple[Path, ...]:
    """Folders in which a link may lie; that of TMPDIR may be too long itself."""
    return Path(tempfile.gettempdir()), Path("/tmp")  # noqa: S108  a link that nobody else may own, checked below


def temporary_of(run: Path) -> Path:
    """The TMPDIR of the head's processes: this one's, or a folder in `run` where that is too long for sockets."""
    own = Path(tempfile.gettempdir())
    if len(str(own)) <= LONGEST_TEMPORARY:
        return own
    (run / "t").mkdir(exist_ok=True)
    return run / "t"


def run_folder(home: Path) -> Path:
    """Make the folder, and the link to it where one is needed; doing it again mends a link that was taken away.

    Nobody else may look into it: HAProxy's own socket, which takes orders, is open to whoever reaches it. Raises
    Unavailable where no link can be made, or another's stands in its place.
    """
    path = shortest(home)
    if path is None:
        raise Unavailable(too_long(home))
    run = home / "run"
    run.mkdir(parents=True, exist_ok=True)
    run.chmod(0o700)
    if path != run:
        _link(path, run)
    return path


def too_long(home: Path) -> str:
    """Advice where no path suits."""
    folders = " or ".join(map(str, dict.fromkeys(temporary())))
    return (
        f"Sockets can lie neither in {home}/run nor behind a link in {folders}: "
        f"choose a WINDVANE_HOME of at most {LONGEST - len('/run')} letters, digits, '.', '_', '-' and '/'."
    )


def mend(home: Path, path: Path) -> None:
    """Put the link back that running processes know the folder by; whoever cleans /tmp takes it away.

    Without it no new process finds Ray, and Ray makes a real folder there.
    """
    if path != home / "run" and (home / "run").is_dir():
        with suppress(Unavailable):  # somebody else's stands there now, which `up` tells
            _link(path, home / "run")


def remove_link(home: Path) -> None:
    """Take the link away; what it names stays."""
    path = shortest(home)
    if path is not None and path.is_symlink() and path.lstat().st_uid == os.getuid():
        path.unlink()


def _made_by_ray(link: Path) -> bool:
    """Whether a real folder stands there that holds nothing but what Ray and HAProxy make in it."""
    if link.is_symlink() or not link.is_dir() or link.stat().st_uid != os.getuid():
        return False
    return {path.name for path in link.iterdir()} <= {"ray", "h"}


def _link(link: Path, run: Path) -> None:
    if _made_by_ray(link):
        shutil.rmtree(link)  # while the link was away: all that is known of it lies in `run`
    with suppress(FileExistsError):
        link.symlink_to(run)
    if not link.is_symlink() or link.resolve() != run.resolve() or link.lstat().st_uid != os.getuid():
        raise Unavailable(f"{link} exists and is not our link to {run}: remove it, or choose a shorter WINDVANE_HOME.")
