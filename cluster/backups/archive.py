"""The two archives of a home, what is secret by itself and all else that is not made again; and their unpacking."""

import os
import shutil
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

from windvane.cluster.decision_log import disk
from windvane.cluster.errors import Invalid, Unavailable
from windvane.configs.access import FIRST_KEY

MADE_AGAIN = frozenset({"run", "cache", "scratch", "lost+found"})  # the last by whoever makes a file system
SECRETS = frozenset({"keys", FIRST_KEY, "ray_token"})  # the keys open what the rest holds; so they lie elsewhere


def pack(home: Path, taken: Callable[[str], bool], archive: Path) -> None:
    """Write an archive of what lies in `home` under the names that are taken, whole or not at all.

    Links are followed: a log that lies on another disk is in it. Only this user may read it.
    """
    draft = archive.with_name(f".{archive.name}.part")
    try:
        disk.make_folder(archive.parent)
        with os.fdopen(disk.open_file(draft, os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w", dereference=True) as tar:
                for path in sorted(home.iterdir()):
                    if taken(path.name):
                        tar.add(path, path.name)
            file.flush()
            disk.sync(file.fileno())
        disk.rename(draft, archive)
        disk.sync_folder(archive.parent)
    except OSError as error:
        disk.remove(draft)
        raise Unavailable(f"{archive} cannot be written: {error}; make room, or name another folder") from error


def unpack(source: Path, into: Path) -> None:
    """Put what an archive holds, or what lies in a folder that was a home, into the folder; raises Invalid."""
    try:
        if source.is_dir():
            shutil.copytree(source, into, ignore=_made_again(source), dirs_exist_ok=True)
            return
        with tarfile.open(source) as tar:
            tar.extractall(into, filter="data")
    except (tarfile.TarError, EOFError) as error:
        why = str(error).partition("\n")[0].rstrip(":")  # a line for every compression follows
        raise Invalid(f"{source} is no whole archive of a home: {why}") from error
    except (OSError, shutil.Error) as error:
        raise Unavailable(f"{source} cannot be unpacked into {into}: {error}") from error


def sync_all(folder: Path) -> None:
    """Return once all that lies in the folder survives a power cut."""
    for parent, _, files in os.walk(folder):
        for name in files:
            disk.sync_file(Path(parent, name))
        disk.sync_folder(Path(parent))


def _made_again(home: Path) -> Callable[[str, list[str]], Iterable[str]]:
    return lambda folder, names: MADE_AGAIN & set(names) if Path(folder) == home else ()
