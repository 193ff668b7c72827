"""Checkpoints: what stands in the log at a moment, signed with Ed25519 (RFC 8032) and chained by their hashes.

A checkpoint names only what changed since the one before, so all of them together name every segment: the head of its
chain while it is written, its Merkle root once it is sealed, and that it was deleted on purpose when its time was over.
The signature is over the text as it stands in the file, so nothing has to be written the same way twice.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from windvane.cluster.decision_log.audit.fault import Fault
from windvane.cluster.decoders import json_decoder

GENESIS = "0" * 64  # what the first checkpoint names as the one before
LATE_SECONDS = 60.0  # a segment opened longer before a checkpoint than this is in it; clocks of machines may differ
_DOMAIN = b"windvane checkpoint 1\n"  # so that a signature made for anything else is none here


class Vouched(msgspec.Struct, frozen=True):
    """A segment as it stood: hashes in hexadecimal; `root` once it was sealed, `head` unless it has no chain."""

    log: str
    segment: str
    records: int
    head: str | None
    root: str | None = None


class Checkpoint(msgspec.Struct, frozen=True):
    """State of the log at `at` (Unix seconds); `previous` is the hash of the checkpoint before."""

    number: int  # from 1
    at: float
    key: str  # fingerprint of the public key it is signed with
    previous: str
    segments: tuple[Vouched, ...]
    retired: tuple[tuple[str, str], ...] = ()  # (log, segment) deleted because their time was over
    policies: dict[str, str] = {}  # policy set → hash
    registry: str = ""  # digest of the registry's state


class Signed(msgspec.Struct, frozen=True):
    """A checkpoint as it stands in a file: its JSON as text, and the signature over it in hexadecimal."""

    body: str
    signature: str


@dataclass(slots=True)
class CheckpointState:
    """Sum of all checkpoints so far: the newest statement about every segment."""

    number: int = 0
    at: float = 0.0
    hash: str | None = GENESIS  # of the last one; None when it could not be read
    segments: dict[tuple[str, str], Vouched] = field(default_factory=dict)
    heads: dict[tuple[str, str], dict[int, str]] | None = None  # all, by how many records they cover; for `verify`
    retired: set[tuple[str, str]] = field(default_factory=set)
    policies: dict[str, str] = field(default_factory=dict)
    registry: str = ""


class Witnessed(msgspec.Struct, frozen=True):
    """The newest checkpoint that a witness saw."""

    number: int
    hash: str


class Witness(Protocol):
    """Remembers the newest checkpoint in another place than their file, so that a file cut or emptied is noticed."""

    def last(self) -> Witnessed | None:
        """None when it saw none yet; raises Unavailable."""

    def saw(self, newest: Witnessed) -> None:
        """Remember it, unless a newer one is remembered; raises Unavailable."""


def fingerprint(key: Ed25519PublicKey) -> str:
    """The public key's name: SHA-256 of its 32 bytes, hexadecimal."""
    return sha256(key.public_bytes_raw()).hexdigest()


def hash_of(signed: Signed) -> str:
    """Hash the next checkpoint names."""
    return sha256(_DOMAIN + signed.body.encode()).hexdigest()


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> Signed:
    """The checkpoint as it goes into the file."""
    body = msgspec.json.encode(checkpoint)
    return Signed(body.decode(), key.sign(_DOMAIN + body).hex())


def is_signed(signed: Signed, key: Ed25519PublicKey) -> bool:
    """Whether that key signed exactly this text."""
    try:
        key.verify(bytes.fromhex(signed.signature), _DOMAIN + signed.body.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def opened_at(segment: str) -> float:
    """Opening time of a segment by its name, Unix seconds; 0 when the name does not say so."""
    number = segment.rpartition("-")[2]
    return int(number) / 1e9 if number.isdecimal() else 0.0


def whole_lines(content: bytes) -> tuple[list[bytes], bytes]:
    r"""The file's lines, and what stands at its end of one that was not written whole: a kill or a power cut left it.

    A power cut may keep a line's end and lose its beginning, which then reads as zeros; no line holds any, being JSON.

    >>> whole_lines(b"{1}\n{2"), whole_lines(b"{1}\n\0\0}\n")
    (([b'{1}'], b'{2'), ([b'{1}'], b'\x00\x00}\n'))
    """
    *lines, torn = content.split(b"\n")
    if not torn and lines and b"\0" in lines[-1]:
        torn = lines.pop() + b"\n"
    return lines, torn


def split_lines(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    r"""The lines of a file that comes in pieces, each with True; last what `whole_lines` calls torn, with False.

    >>> list(split_lines([b"{", b"1}\n{2}\n{", b"3"]))
    [(b'{1}', True), (b'{2}', True), (b'{3', False)]
    """
    held = b""
    for piece in pieces:
        *lines, rest = (held + piece).split(b"\n")
        held = lines.pop() + b"\n" + rest if lines else rest  # the last line too may be what a power cut left
        for line in lines:
            yield line, True
    lines, torn = whole_lines(held)
    for line in lines:
        yield line, True
    if torn:
        yield torn, False


def follow(standing: CheckpointState, line: bytes, keys: Mapping[str, Ed25519PublicKey]) -> list[Fault]:
    """Take the file's next line into `standing`; returns what is wrong with it.

    What is not signed is not taken, and the next one then follows from nothing that is known.
    """
    place = f"checkpoint {standing.number + 1}"
    found = _read(line, keys, place)
    if isinstance(found, Fault):
        standing.number, standing.hash = standing.number + 1, None
        return [found]
    signed, checkpoint = found
    if checkpoint.number <= standing.number:
        return [Fault("reordered", place, f"in its place stands checkpoint {checkpoint.number} again")]
    faults: list[Fault] = []
    if checkpoint.number > standing.number + 1:
        faults.append(Fault("missing", place, f"in its place stands checkpoint {checkpoint.number}"))
    elif standing.hash is not None and checkpoint.previous != standing.hash:
        faults.append(Fault("changed", place, "does not follow from the one before it: one of both was made anew"))
    faults += [fault for vouched in checkpoint.segments if (fault := contradiction(standing, vouched, place))]
    for vouched in checkpoint.segments:
        standing.segments[vouched.log, vouched.segment] = vouched
        if vouched.head is not None and standing.heads is not None:
            standing.heads.setdefault((vouched.log, vouched.segment), {})[vouched.records] = vouched.head
    standing.retired.update(checkpoint.retired)
    standing.policies, standing.registry = checkpoint.policies, checkpoint.registry
    standing.number, standing.at, standing.hash = checkpoint.number, checkpoint.at, hash_of(signed)
    return faults


def follow_all(
    lines: Iterable[bytes], keys: Iterable[Ed25519PublicKey], witnessed: Witnessed | None = None
) -> tuple[CheckpointState, list[Fault]]:
    """All checkpoints from the first, and against what a witness saw."""
    known = {fingerprint(key): key for key in keys}
    standing, faults = CheckpointState(heads={}), []
    for line in lines:
        faults += follow(standing, line, known)
        faults += contradicted(standing, witnessed)
    return standing, faults + forgotten(standing, witnessed)


def contradicted(standing: CheckpointState, witnessed: Witnessed | None) -> list[Fault]:
    """The fault of the checkpoint that `standing` ends with, if a witness saw another one of its number."""
    if witnessed is None or standing.number != witnessed.number or standing.hash in (None, witnessed.hash):
        return []
    return [Fault("changed", f"checkpoint {standing.number}", "is not the one that the store remembers")]


def forgotten(standing: CheckpointState, witnessed: Witnessed | None) -> list[Fault]:
    """The fault of checkpoints that a witness saw and that are not there; what comes next follows from the last."""
    if witnessed is None or standing.number >= witnessed.number:
        return []
    first = standing.number + 1
    what = "is" if first == witnessed.number else f"and all to checkpoint {witnessed.number} are"
    standing.number, standing.hash = witnessed.number, witnessed.hash
    return [Fault("missing", f"checkpoint {first}", f"{what} gone: the store remembers the last one")]


def _read(line: bytes, keys: Mapping[str, Ed25519PublicKey], place: str) -> tuple[Signed, Checkpoint] | Fault:
    try:
        signed = json_decoder(Signed).decode(line)
        checkpoint = json_decoder(Checkpoint).decode(signed.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Fault("damaged", place, f"cannot be read: {error}")
    if checkpoint.key not in keys:
        return Fault("forged", place, f"is signed with the unknown key {checkpoint.key}")
    if not is_signed(signed, keys[checkpoint.key]):
        return Fault("forged", place, "its signature is not of its text")
    return signed, checkpoint


def contradiction(
    standing: CheckpointState, found: Vouched, says: str, heads: Mapping[int, bytes] | None = None
) -> Fault | None:
    """Fault of a segment as it is `found` after all that was vouched for; `says` is who found it so.

    `heads` are those of its chain by how many records they cover, when they are known: it must pass through the last
    one that was vouched for, or what lies before was made anew and grew on.
    """
    name = f"{found.log}/{found.segment}"
    known = standing.segments.get((found.log, found.segment))
    if known is None:
        return _late(standing, found.log, found.segment)
    if known.root is not None and known != found:
        return Fault("changed", name, f"was sealed already, and {says} names another root")
    if found.records < known.records:
        return Fault("cut", name, f"{says} names {found.records} records where there had been {known.records}")
    if found.records == known.records and found.head != known.head:
        return Fault("changed", name, f"{says} names another head for the same records")
    if heads is not None and known.head is not None and heads.get(known.records, b"").hex() != known.head:
        return Fault("changed", name, f"its first {known.records} records are not those that were vouched for")
    return None


def _late(standing: CheckpointState, log: str, segment: str) -> Fault | None:
    """A segment that no checkpoint knows though one was made since it was opened was put in afterwards."""
    if opened_at(segment) + LATE_SECONDS >= standing.at:
        return None
    return Fault("inserted", f"{log}/{segment}", f"was not there at checkpoint {standing.number}, though it says so")


def unknown(standing: CheckpointState, log: str, segment: str) -> Fault | None:
    """The fault of a segment that stands in the log and in no checkpoint, if there is one."""
    return None if (log, segment) in standing.segments else _late(standing, log, segment)
