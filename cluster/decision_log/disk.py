"""The few effects that make a file stay: whatever is changed on disk in the log is changed by one of these."""

import os
from pathlib import Path


def write_whole(descriptor: int, content: bytes) -> None:
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


def make_folder(path: Path) -> None:
    """Create the folder and its parents so that they survive a power cut."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)
