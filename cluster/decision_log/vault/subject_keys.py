"""Port to where the subjects' wrapped keys lie: add them, find them, and destroy a subject's for good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """One wrapped key; a subject may have several, when processes saw it for the first time at once."""

    subject: bytes  # keyed hash
    id: bytes
    wrapped: bytes


class Erasure(msgspec.Struct, frozen=True):
    """That a subject's keys were destroyed; `digest` is SHA-256 over the wrapped keys, hashes in hexadecimal."""

    number: int  # rising without gaps
    at: float  # Unix seconds
    subject: str  # keyed hash, as in the log
    keys: int
    digest: str


class SubjectKeys(Protocol):
    """Safe for many processes and threads."""

    def secret(self, name: str, wrapped: bytes) -> bytes:
        """The one wrapped secret kept under that name, which is `wrapped` when there was none."""

    def find(self, subjects: Sequence[bytes]) -> Mapping[bytes, SubjectKey]:
        """One key of each subject that has any."""

    def all_of(self, subjects: Sequence[bytes]) -> tuple[SubjectKey, ...]:
        """Every key of these subjects."""

    def get(self, subject: bytes, id: bytes) -> SubjectKey | None:
        """That key, unless it was destroyed."""

    def add(self, keys: Sequence[SubjectKey], seen: int) -> None:
        """Keep the keys, but for subjects that were erased after erasure number `seen`: those stay erased.

        Every process finds them now, and a kill loses none; after `sync` they survive a power cut.
        """

    def sync(self) -> None:
        """Return once whatever was added before survives a power cut."""

    def changes(self) -> int:
        """Number that differs for a thread once anybody has stored anything: then some of it may not be synced yet."""

    def erase(self, subject: bytes, at: float) -> Erasure:
        """Destroy the subject's keys so that they cannot be read from the storage any more, and say so."""

    def erasures(self, after: int) -> tuple[Erasure, ...]:
        """Erasures with a number above `after`, oldest first."""
