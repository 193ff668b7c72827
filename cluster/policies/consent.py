"""Keeps the consents of subjects by purpose: given, withdrawn or never said; under the subject's hash, as in the log.

A consent is to a purpose, whichever model serves it. The store's revision of a subject's record rises with every
change, so of two that arrive in the wrong order the newer one counts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import TypeAlias

import msgspec

from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Conflict
from windvane.cluster.store import Shelf, Store

CONSENT = "consent"  # kind in the store; the key is the subject's hash
SubjectHash: TypeAlias = Callable[[str], str]
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Said:
    """A subject's last word on one purpose."""

    given: bool
    at: datetime
    by: str  # the caller who recorded it


@dataclass(frozen=True, slots=True)
class Consent:
    """Everything that one subject said."""

    purposes: Mapping[str, Said] = field(default_factory=dict)


class ConsentChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One subject's whole record for the replicas, so that the newest is enough."""

    subject_hash: str
    revision: int
    given: frozenset[str]
    withdrawn: frozenset[str]


def subject_hash(subject: str) -> str:
    """128 bits, so that no two subjects share a consent; the log's own 32 bits are a place in a split, and no name."""
    return blake2b(subject.encode(), digest_size=16).hexdigest()


class ConsentRecords:
    """The store's records of what subjects agreed to."""

    def __init__(self, store: Store, hash_of: SubjectHash = subject_hash) -> None:
        self._store = store
        self._shelf = Shelf(store, CONSENT, Consent)
        self._hash_of = hash_of

    def of(self, subject: str) -> Consent:
        """Consent of the subject, empty where nobody ever asked."""
        return self._shelf.load(self._hash_of(subject))[0] or Consent()

    def record(self, subject: str, purposes: Mapping[str, bool], by: str, now: datetime) -> ConsentChange:
        """Note the subject's word on these purposes and leave the others; saying it again changes who said it when."""
        said = {purpose: Said(given, now, by) for purpose, given in purposes.items()}
        return self._change(subject, lambda before: Consent({**before.purposes, **said}))

    def forget(self, subject: str) -> ConsentChange:
        """Keep nothing of what the subject said, as when it is erased: to policies, it never said anything.

        The empty record stays, since a new one under the same hash would begin again at revision 1, and look older.
        """
        return self._change(subject, lambda _: Consent())

    def all(self) -> list[ConsentChange]:
        """Every subject's record."""
        decode = json_decoder(Consent).decode
        return [_changed(saved.key, saved.revision, decode(saved.body)) for saved in self._store.list(CONSENT)]

    def _change(self, subject: str, how: Callable[[Consent], Consent]) -> ConsentChange:
        key = self._hash_of(subject)
        for attempt in range(_ATTEMPTS):
            before, revision = self._shelf.load(key)
            consent = how(before or Consent())
            try:
                return _changed(key, self._shelf.save(key, consent, revision), consent)
            except Conflict:
                if attempt + 1 == _ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")


def _changed(key: str, revision: int, consent: Consent) -> ConsentChange:
    given = frozenset(purpose for purpose, said in consent.purposes.items() if said.given)
    return ConsentChange(key, revision, given, frozenset(consent.purposes) - given)
