"""Holds the consents of subjects in one replica's memory, so that a decision waits for nobody."""

import asyncio
from collections.abc import Iterable

import msgspec

from windvane.cluster.decoders import json_decoder
from windvane.cluster.policies.consent import ConsentChange, ConsentRecords, SubjectHash, subject_hash

_decode = json_decoder(ConsentChange).decode


class Consents:
    """A subscriber of the topics; a model that asks for nobody's consent keeps none (`wanted` is empty)."""

    def __init__(self, records: ConsentRecords, wanted: frozenset[str], hash_of: SubjectHash = subject_hash) -> None:
        """`wanted` are the purposes that anybody here is asked about."""
        self._records = records
        self._wanted = wanted
        self._hash_of = hash_of
        self._said: dict[str, tuple[int, frozenset[str], frozenset[str]]] = {}  # revision, given, withdrawn
        self._alike: dict[frozenset[str], frozenset[str]] = {}  # few sets are said by many

    def __len__(self) -> int:
        return len(self._said)

    def of(self, subject: str, purpose: str) -> bool | None:
        """Whether the subject agreed to the purpose; None when it never said."""
        said = self._said.get(self._hash_of(subject))
        if said is None:
            return None
        return True if purpose in said[1] else False if purpose in said[2] else None

    async def reload(self) -> None:
        """Go by what the store has now; what arrived meanwhile and is newer stays."""
        if self._wanted:
            self._put(await asyncio.to_thread(self._records.all))

    async def take(self, posts: tuple[str, ...]) -> None:
        """Go by these changes too."""
        if self._wanted:
            self._put(_decode(post) for post in posts)

    def _put(self, changes: Iterable[ConsentChange]) -> None:
        for change in changes:
            known = self._said.get(change.subject_hash)
            if known is None or known[0] < change.revision:
                given, withdrawn = change.given & self._wanted, change.withdrawn & self._wanted
                self._said[change.subject_hash] = (change.revision, self._same(given), self._same(withdrawn))

    def _same(self, purposes: frozenset[str]) -> frozenset[str]:
        return self._alike.setdefault(purposes, purposes)


def encode_change(change: ConsentChange) -> str:
    """The post that travels."""
    return msgspec.json.encode(change).decode()
