"""The one segment a writer holds, and the claim a sealer makes on one that nobody holds any more."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.write.chain import begin, extend
from windvane.cluster.decision_log.write.segment import Header, link, live_path, preamble

RESERVED_BYTES = 256 << 10


class LiveSegment:
    """Locked and complete with its header before readers can see it; closed for good by the first failed write.

    What is synced is written into room that was reserved before: a file that grows has its new size to sync as well,
    which takes a third longer. So zeros may stand after the last group until the segment is closed.
    """

    def __init__(self, root: Path, header: Header, after: int = 0) -> None:
        """`after` is the number (Unix ns) that its own must exceed; raises OSError when the disk refuses."""
        folder = root / "live"
        disk.make_folder(folder)
        number = max(int(header.opened_at * 1e9), after + 1)
        while live_path(root, f"{header.writer}-{number:019d}").exists():
            number += 1
        self.name = f"{header.writer}-{number:019d}"
        self.number = number
        self.is_sure = True  # whether a power cut would leave it ending with `head`, once it is closed
        draft = folder / f".{self.name}.new"
        start = preamble(header)
        self._descriptor = _open_locked(draft)
        try:
            disk.write_whole(self._descriptor, start)
            disk.sync(self._descriptor)
            disk.rename(draft, live_path(root, self.name))
            disk.sync_folder(folder)
        except BaseException:
            os.close(self._descriptor)
            raise
        self.size = self._synced = len(start)
        self.head = begin(start)  # of the chain, as of the last group that was written whole
        self._reserved: float = self.size  # bytes of the file

    def append(self, frames: bytes, *, durable: bool) -> None:
        """Write one group of frames and its link; whatever it raises, nothing of it stays and this is closed.

        A segment whose sync failed is never synced again: the kernel forgets that its pages were not written.
        """
        try:
            head = extend(self.head, frames)
            content = frames + link(head)
            if durable and self.size + len(content) > self._reserved:
                self._reserve(self.size + len(content) + RESERVED_BYTES)
            disk.write_whole(self._descriptor, content)
            if durable:
                disk.sync(self._descriptor)
        except BaseException:
            try:
                disk.cut(self._descriptor, self.size)
                disk.sync(self._descriptor)
            except OSError:  # what cannot be cut is a torn tail, or records that nobody was promised
                self.is_sure = False
            os.close(self._descriptor)
            raise
        self.size += len(content)
        self.head = head
        if durable:
            self._synced = self.size

    def close(self) -> None:
        """Sync what is left and let go of the segment; raises OSError when that sync failed."""
        self.is_sure = self._synced == self.size
        try:
            disk.cut(self._descriptor, self.size)
            disk.sync(self._descriptor)
            self.is_sure = True
        finally:
            os.close(self._descriptor)

    def _reserve(self, size: int) -> None:
        """Make the file that large; where that cannot be, it grows with every write from now on."""
        try:
            disk.reserve(self._descriptor, self.size, size - self.size)
            self._reserved = size
        except OSError:
            self._reserved = inf


def _open_locked(draft: Path) -> int:
    """A new file that is ours: a sealer may sweep it away between its making and its lock, and then another is made."""
    while True:
        descriptor = disk.open_file(draft, os.O_WRONLY | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


@contextmanager
def claim(path: Path) -> Iterator[int | None]:
    """A descriptor of the segment, locked, or None while a writer (or another sealer) holds it or when it is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield descriptor if os.fstat(descriptor).st_nlink else None
    finally:
        os.close(descriptor)
