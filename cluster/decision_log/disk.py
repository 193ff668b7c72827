"""All that changes a file of log, checkpoints, keys and vault, so that tests can fail, forget and tear any of it.

SQLite's own files are its own affair: `sync` and the names of their folders are all that is done to them from here.
"""

import os
from pathlib import Path

durable_folders: set[Path] = set()  # whose names this process has synced


def open_file(path: Path, flags: int, mode: int) -> int:
    """Open a file that `flags` may make; returns its descriptor. A new name is not synced."""
    return os.open(path, flags | os.O_CREAT, mode)


def write_whole(descriptor: int, content: bytes | memoryview) -> None:
    """Write all of `content` behind the last write; raises OSError (ENOSPC, EFBIG, EIO), maybe half way through."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def reserve(descriptor: int, start: int, count: int) -> None:
    """Make the file so much longer from `start`, with zeros; raises OSError where the disk has no room or cannot."""
    os.posix_fallocate(descriptor, start, count)


def sync(descriptor: int) -> None:
    """Return once the file's content survives a power cut."""
    os.fdatasync(descriptor)


def cut(descriptor: int, size: int) -> None:
    """Shorten the file to `size` bytes."""
    os.ftruncate(descriptor, size)


def rename(source: Path, target: Path) -> None:
    """Put a finished file in its place at once; a file of that name is replaced."""
    source.replace(target)


def link(source: Path, target: Path) -> None:
    """Give a finished file its name; raises FileExistsError where there is one of that name."""
    os.link(source, target)


def remove(path: Path) -> None:
    """Take a name away; a name already gone is as good."""
    path.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """`sync` for a file that is not open here."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Return once the names in the folder survive a power cut."""
    sync_file(path)


def make_one_folder(path: Path) -> None:
    """Create the folder in one that is there; one already made is as good."""
    path.mkdir(mode=0o700, exist_ok=True)


def write_file(path: Path, content: bytes | memoryview, mode: int = 0o600) -> None:
    """Make the file hold this and nothing else, and sync it; its name is not synced."""
    descriptor = open_file(path, os.O_WRONLY | os.O_TRUNC, mode)
    try:
        write_whole(descriptor, content)
        sync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """`write_file` at once or not at all, with its name: a kill leaves the former content."""
    draft = path.with_name(f".{path.name}.new")
    write_file(draft, content, mode)
    rename(draft, path)
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Create the folder and its parents so that they survive a power cut.

    One that is there already may have been made by a process that was killed before it synced the name: each name is
    synced once by every process, up to the first folder that belongs to somebody else.
    """
    if path in durable_folders and path.is_dir():
        return
    if not path.is_dir():
        make_folder(path.parent)
        make_one_folder(path)
    elif not _is_ours(path):
        return
    elif path.parent != path and _is_ours(path.parent):
        make_folder(path.parent)
    if path.parent != path and os.access(path.parent, os.R_OK):
        sync_folder(path.parent)
    durable_folders.add(path)


def _is_ours(path: Path) -> bool:
    return path.stat().st_uid == os.geteuid()
