"""The file of checkpoints, one line each, and its copy in a second place that whoever can write here cannot reach."""

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.checkpoint import (
    Checkpoint,
    CheckpointState,
    Signed,
    Vouched,
    Witness,
    Witnessed,
    contradicted,
    fingerprint,
    follow,
    forgotten,
    sign,
    split_lines,
    whole_lines,
)
from windvane.cluster.decision_log.audit.fault import Fault
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Conflict, Unavailable

_log = logging.getLogger(__name__)
_COMPARED_BYTES = 1 << 16
_PIECE_BYTES = 1 << 24  # read at once, of a file that may be larger than memory


class Checkpoints:
    """Appends signed checkpoints; several processes may, a lock on the file keeps them apart."""

    def __init__(
        self,
        path: Path,
        key: Ed25519PrivateKey,
        copy: Path | None = None,
        former: Sequence[Ed25519PublicKey] = (),
        witness: Witness | None = None,
    ) -> None:
        """Lines are appended to `copy` after they are safe in `path`; it may be away for a while and catches up.

        `former` are the keys that signed before this one; `witness` is told of each checkpoint after it is safe, and
        asked once, here: raises Unavailable when it does not answer.
        """
        self._path = path
        self._key = key
        self._copy = copy
        self._known = {fingerprint(public): public for public in (key.public_key(), *former)}
        self._read = 0  # bytes of the file that `standing` knows
        self._refused = 0  # where a line ends that this process could not keep, and perhaps not cut either
        self._faults: list[Fault] = []
        self.standing = CheckpointState()
        self._witness = witness
        self._witnessed = None if witness is None else witness.last()  # before the file is read: it has no less
        self.refresh()
        for fault in forgotten(self.standing, self._witnessed):
            self._tell(fault)

    def refresh(self) -> CheckpointState:
        """State after all checkpoints, also those of other processes."""
        with self._locked() as descriptor:
            self._catch_up(descriptor)
        return self.standing

    def take_faults(self) -> list[Fault]:
        """Faults of checkpoints that were read, each told once."""
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
        """Sign and keep the next checkpoint; `at` is in Unix seconds, and no less than the one before has.

        Raises Unavailable when the disk refuses, and Conflict when the file or its copy is not what was written.
        """
        with self._locked() as descriptor:
            self._catch_up(descriptor)
            if self._refused:
                disk.cut(descriptor, self._read)
                self._refused = 0
            now = self.standing
            if now.hash is None:
                raise Conflict(f"{self._path} was changed: checkpoint {now.number} cannot be read; verify the log")
            checkpoint = Checkpoint(
                number=now.number + 1,
                at=max(at, now.at),
                key=fingerprint(self._key.public_key()),
                previous=now.hash,
                segments=tuple(segments),
                retired=tuple(retired),
                policies=dict(policies or {}),
                registry=registry,
            )
            line = msgspec.json.encode(sign(checkpoint, self._key)) + b"\n"
            self._refused = self._read + len(line)
            _append(descriptor, self._read, line, self._path.parent)
            self._refused = 0
            self._catch_up(descriptor)
            assert self.standing.hash is not None  # it was just signed
            newest = Witnessed(self.standing.number, self.standing.hash)
        self._follow_with_copy()
        if self._witness is not None:
            try:
                self._witness.saw(newest)
            except Unavailable as error:
                _log.error(
                    "the store does not remember checkpoint %d: %s; it is told of the next", newest.number, error
                )
        return checkpoint

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            disk.make_folder(self._path.parent)
            descriptor = disk.open_file(self._path, os.O_RDWR | os.O_APPEND, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unavailable(f"checkpoints cannot be kept in {self._path}: {error}") from error

    def _catch_up(self, descriptor: int) -> None:
        """Read what is new; a line that is not whole is what a kill left, and is cut: it was never relied on."""
        size = os.fstat(descriptor).st_size
        if size < self._read:
            raise Conflict(f"{self._path} has {size} bytes where it had {self._read}: it was cut; verify the log")
        if self._refused and size <= self._refused:
            return
        self._refused = 0
        for line, whole in split_lines(_pieces(descriptor, self._read, size)):
            if not whole:
                disk.cut(descriptor, self._read)
                return
            for fault in follow(self.standing, line, self._known) + contradicted(self.standing, self._witnessed):
                self._tell(fault)
            self._read += len(line) + 1

    def _tell(self, fault: Fault) -> None:
        _log.error("%s", fault)
        self._faults.append(fault)

    def _follow_with_copy(self) -> None:
        if self._copy is None:
            return
        try:
            append_missing(self._path, self._copy)
        except OSError as error:
            _log.error(
                "the second place for checkpoints, %s, does not answer: %s; it is tried again", self._copy, error
            )


def checkpoints_of(home: Path) -> Path:
    """Path of a Windvane's checkpoints."""
    return home / "audit" / "checkpoints.jsonl"


def last_signed(path: Path) -> float:
    """Time of the last checkpoint in the file, Unix seconds; 0 when there is none that can be read.

    Not proven: who can write the file can let new segments have names of a later time, and no more.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            for near in (_COMPARED_BYTES, size):
                file.seek(max(0, size - near))
                lines, _ = whole_lines(file.read())
                if lines and (len(lines) > 1 or near >= size):
                    signed = json_decoder(Signed).decode(lines[-1])
                    return json_decoder(Checkpoint).decode(signed.body).at
    except (OSError, msgspec.DecodeError):
        pass
    return 0.0


def _pieces(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    """Content from `start` to `end`; Linux reads no more than 2 GiB at once, and says nothing of the rest."""
    while start < end:
        piece = os.pread(descriptor, min(_PIECE_BYTES, end - start), start)
        if not piece:
            raise Conflict(f"checkpoints end at byte {start} where there had been {end}: they were cut; verify the log")
        start += len(piece)
        yield piece


def lines_of(path: Path) -> Iterator[tuple[bytes, bool]]:
    """The file's lines as `split_lines` gives them, read piece by piece; none when there is no file."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        yield from split_lines(iter(partial(file.read, _PIECE_BYTES), b""))


def append_missing(path: Path, copy: Path) -> None:
    """Bring the copy up to date; raises Conflict when it does not end as the file did there, and changes nothing then.

    Only its end is held against the file each time: `verify` compares the whole.
    """
    disk.make_folder(copy.parent)
    descriptor = disk.open_file(copy, os.O_RDWR | os.O_APPEND, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        start = max(0, size - _COMPARED_BYTES)
        held = os.pread(descriptor, size - start, start)
        torn = whole_lines(held)[1]
        if torn:  # by a kill or a power cut, and written anew from the file
            size -= len(torn)
            disk.cut(descriptor, size)
        with path.open("rb") as file:
            file.seek(start)
            if held[: size - start] != file.read(size - start):
                raise Conflict(f"{copy} holds other checkpoints than {path}: one of them was changed; verify the log")
            for piece in iter(partial(file.read, _PIECE_BYTES), b""):
                _append(descriptor, size, piece, copy.parent)
                size += len(piece)
    finally:
        os.close(descriptor)


def _append(descriptor: int, size: int, content: bytes, folder: Path) -> None:
    """Put the content behind the file's `size` bytes, with its name for good; what fails is cut off again.

    A sync that failed has lost what it was to keep, and later ones do not say so: it must not stay before other lines.
    """
    try:
        disk.write_whole(descriptor, content)
        disk.sync(descriptor)
        disk.sync_folder(folder)  # the name too: it may be the first
    except BaseException:
        with suppress(OSError):
            disk.cut(descriptor, size)
            disk.sync(descriptor)
        raise
