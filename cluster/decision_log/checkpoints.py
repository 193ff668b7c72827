"""The file of checkpoints, one line each, and its copy in a second place that whoever can write here cannot reach."""

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cluster.decision_log import disk
from cluster.decision_log.checkpoint import Checkpoint, Standing, Vouched, fingerprint, follow, sign
from cluster.decision_log.fault import Fault
from cluster.errors import Conflict, Unavailable

_log = logging.getLogger(__name__)
_COMPARED_BYTES = 1 << 16


class Checkpoints:
    """Appends signed checkpoints; several processes may, a lock on the file keeps them apart."""

    def __init__(
        self, path: Path, key: Ed25519PrivateKey, copy: Path | None = None, former: Sequence[Ed25519PublicKey] = ()
    ) -> None:
        """Lines are appended to `copy` after they are safe in `path`; it may be away for a while and catches up.

        `former` are the keys that signed before this one.
        """
        self._path = path
        self._key = key
        self._copy = copy
        self._known = {fingerprint(public): public for public in (key.public_key(), *former)}
        self._read = 0  # bytes of the file that `standing` knows
        self._faults: list[Fault] = []
        self.standing = Standing()
        self.refresh()

    def refresh(self) -> Standing:
        """What all checkpoints say, also those of other processes."""
        with self._locked() as descriptor:
            self._catch_up(descriptor)
        return self.standing

    def take_faults(self) -> list[Fault]:
        """What is wrong with checkpoints that were read, each told once."""
        faults, self._faults = self._faults, []
        return faults

    def append(
        self,
        at: float,
        segments: Sequence[Vouched] = (),
        *,
        retired: Sequence[tuple[str, str]] = (),
        policies: Mapping[str, str] | None = None,
        registry: str = "",
    ) -> Checkpoint:
        """Sign and keep the next checkpoint; `at` is in Unix seconds.

        Raises Unavailable when the disk refuses, and Conflict when the file or its copy is not what was written.
        """
        with self._locked() as descriptor:
            self._catch_up(descriptor)
            now = self.standing
            if now.hash is None:
                raise Conflict(f"{self._path} was changed: checkpoint {now.number} cannot be read; verify the log")
            checkpoint = Checkpoint(
                number=now.number + 1,
                at=at,
                key=fingerprint(self._key.public_key()),
                previous=now.hash,
                segments=tuple(segments),
                retired=tuple(retired),
                policies=dict(policies or {}),
                registry=registry,
            )
            disk.write_whole(descriptor, msgspec.json.encode(sign(checkpoint, self._key)) + b"\n")
            disk.sync(descriptor)
            disk.sync_folder(self._path.parent)  # its name too: it may be the first
            self._catch_up(descriptor)
        self._follow_with_copy()
        return checkpoint

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            disk.make_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unavailable(f"checkpoints cannot be kept in {self._path}: {error}") from error

    def _catch_up(self, descriptor: int) -> None:
        """Read what is new; half a line at the end is what a kill left, and is cut: it was never relied on."""
        size = os.fstat(descriptor).st_size
        if size < self._read:
            raise Conflict(f"{self._path} has {size} bytes where it had {self._read}: it was cut; verify the log")
        new = os.pread(descriptor, size - self._read, self._read)
        whole = new.rfind(b"\n") + 1
        if whole < len(new):
            disk.cut(descriptor, self._read + whole)
        for line in new[:whole].splitlines():
            for fault in follow(self.standing, line, self._known):
                _log.error("%s", fault)
                self._faults.append(fault)
        self._read += whole

    def _follow_with_copy(self) -> None:
        if self._copy is None:
            return
        try:
            append_missing(self._path, self._copy)
        except OSError as error:
            _log.error(
                "the second place for checkpoints, %s, does not answer: %s; it is tried again", self._copy, error
            )


def append_missing(path: Path, copy: Path) -> None:
    """Bring the copy up to date; raises Conflict when it does not end as the file did there, and changes nothing then.

    Only its end is held against the file each time: `verify` compares the whole.
    """
    disk.make_folder(copy.parent)
    descriptor = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        start = max(0, size - _COMPARED_BYTES)
        with path.open("rb") as file:
            file.seek(start)
            if os.pread(descriptor, size - start, start) != file.read(size - start):
                raise Conflict(f"{copy} holds other checkpoints than {path}: one of them was changed; verify the log")
            disk.write_whole(descriptor, file.read())
        disk.sync(descriptor)
        disk.sync_folder(copy.parent)
    finally:
        os.close(descriptor)
