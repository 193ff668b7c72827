"""Personal fields under a key per subject: encrypted before they are hashed, gone when the subject's key is destroyed.

A subject stands in the log as a keyed hash (BLAKE2b, RFC 7693), its personal fields as one AES-256-GCM message:

    0x01, key id (8 bytes), nonce (12), ciphertext and tag (16)

What the record is about is authenticated with it, so no message can be moved to another record. The chain and the
Merkle trees are over records as they are written, so destroying a key changes nothing that they cover.

Nonces are 96 random bits. A key must not meet one twice: among q messages under one key that happens with a chance
below q^2 / 2^97, and a key is of one subject, made anew by every process that meets the subject before any key of it
is stored; a million decisions about one person leave it below 2^-57. Random bits need no memory of the last nonce, so
neither a restart, a fork nor a restored machine can bring one back. SP 800-38D section 8.3 asks for q below 2^32.
"""

import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from windvane.cluster.decision_log.vault.kms import Kms
from windvane.cluster.decision_log.vault.subject_keys import Erasure, SubjectKey, SubjectKeys
from windvane.cluster.errors import Invalid, NotFound

_FORMAT = b"\x01"
_KEY_BYTES, _ID_BYTES, _NONCE_BYTES, _HASH_BYTES = 32, 8, 12, 16
_PREFIX_BYTES = len(_FORMAT) + _ID_BYTES
_HASH_KEY = "subject hash"


class Protected(msgspec.Struct, frozen=True, gc=False):
    """Protected part of a record: the subject's keyed hash in hexadecimal, and the personal fields encrypted."""

    subject: str
    personal: bytes


@dataclass(frozen=True, slots=True)
class _Held:
    """A subject's key, ready to be used."""

    subject: str
    prefix: bytes
    encrypt: Callable[[bytes, bytes, bytes | None], bytes]


class Vault:
    """Belongs to one thread, the event loop's; `flush`, `reveal` and `unheard` may be called from any.

    A new subject's key is used at once and stored by `flush`, which has to have returned before any record that was
    protected with it is written: otherwise a kill in between would leave what nobody can read. A power cut takes both,
    or leaves a record that nobody was told is kept: what `flush` returns has to be called before anybody is.
    """

    def __init__(self, keys: SubjectKeys, kms: Kms, *, held: int = 10_000) -> None:
        """Keeps at most `held` unwrapped keys in memory (about 3 kB each)."""
        self._keys = keys
        self._kms = kms
        self._most_held = held
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._names: dict[str, str] = {}  # subject's hash → subject, of what is held
        self._hashes: dict[str, str] = {}  # of subjects that are not held: a batch asks for each of them twice
        self._new: list[SubjectKey] = []
        self._storing: list[SubjectKey] = []
        self._unsynced = 0  # counts up whenever there is something to sync
        self._synced = 0  # what that stood at when the last sync that went well began
        self._found_at: int | None = None  # `changes` of the keys when some were found that others may not have synced
        self._synced_at: int | None = None  # the same, of what is synced
        self._lock = Lock()  # over `_new` and the counts, and never held for longer than a list takes
        self._storing_lock = Lock()
        self._seen = max((erasure.number for erasure in keys.erasures(0)), default=0)
        wrapped = keys.secret(_HASH_KEY, kms.wrap(secrets.token_bytes(_KEY_BYTES), _HASH_KEY.encode()))
        self._keyed = blake2b(key=kms.unwrap(wrapped, _HASH_KEY.encode()), digest_size=_HASH_BYTES)

    def hash(self, subject: str) -> str:
        """Subject's hash in the log."""
        held = self._held.get(subject)
        if held is not None:
            return held.subject
        known = self._hashes.get(subject)
        if known is None:
            if len(self._hashes) >= self._most_held:
                self._hashes.clear()
            known = self._hashes[subject] = self._digest(subject).hex()
        return known

    def protect(self, subject: str, about: str, personal: bytes) -> Protected:
        """The subject and its personal fields as they may be written; `about` names the record, a decision's id."""
        held = self._held.get(subject)
        if held is None:
            held = self._take([subject])[subject]
        else:
            self._held.move_to_end(subject)
        nonce = os.urandom(_NONCE_BYTES)
        return Protected(held.subject, held.prefix + nonce + held.encrypt(nonce, personal, about.encode()))

    def protect_all(self, asked: Sequence[tuple[str, str, bytes]]) -> list[Protected]:
        """`protect` for each (subject, about, personal); subjects that are not held are looked up in one go."""
        held, unknown = self._held, dict.fromkeys(subject for subject, _, _ in asked if subject not in self._held)
        found = {subject: held[subject] for subject, _, _ in asked if subject in held}
        if unknown:
            found |= self._take(list(unknown))
        drawn = os.urandom(_NONCE_BYTES * len(asked))
        protected: list[Protected] = []
        for place, (subject, about, personal) in enumerate(asked):
            nonce = drawn[_NONCE_BYTES * place : _NONCE_BYTES * (place + 1)]
            of = found[subject]
            protected.append(Protected(of.subject, of.prefix + nonce + of.encrypt(nonce, personal, about.encode())))
        for subject in found:
            if subject in held:
                held.move_to_end(subject)
        return protected

    def is_due(self) -> bool:
        """Whether `flush` has anything to store, or to sync: what failed to be synced is due until it is."""
        return bool(self._new or self._storing) or self._synced < self._unsynced

    def flush(self) -> Callable[[], None] | None:
        """Store the keys of new subjects, and return what makes them survive a power cut; None when all do.

        Raises Unavailable, and then they are stored by the next call; so it is with the sync.
        """
        if not self.is_due():
            return None
        with self._storing_lock:
            with self._lock:
                self._storing, self._new, seen = self._storing + self._new, [], self._seen
            if self._storing:
                self._keys.add(self._storing, seen)
                self._storing = []
                self._to_sync()
        return self._sync

    def _to_sync(self, found_at: int | None = None) -> None:
        with self._lock:
            self._unsynced += 1
            self._found_at = self._found_at if found_at is None else found_at

    def _sync(self) -> None:
        with self._lock:
            unsynced, found_at = self._unsynced, self._found_at
        self._keys.sync()
        self._synced, self._synced_at = max(self._synced, unsynced), found_at

    def reveal(self, subject_hash: str, about: str, personal: bytes) -> bytes:
        """The personal fields again; asks for the key every time, so that an erasure counts at once.

        Raises NotFound when the subject was erased, Invalid when the message is not of this record.
        """
        if personal[:1] != _FORMAT:
            raise Invalid("the personal fields are not in a format that this Windvane knows: update it")
        subject = bytes.fromhex(subject_hash)
        id, sealed = personal[1:_PREFIX_BYTES], personal[_PREFIX_BYTES:]
        key = self._keys.get(subject, id) or self._unstored(subject, id)
        if key is None:
            raise NotFound(f"the personal fields of subject {subject_hash} were erased")
        return _opened(AESGCM(self._kms.unwrap(key.wrapped, subject + id)), sealed, about)

    def reveal_all(self, asked: Sequence[tuple[str, str, bytes]]) -> list[bytes | None]:
        """`reveal` for each (subject's hash, about, personal fields), None where the subject was erased.

        Keys are asked for once, as they stand now; raises Invalid when a message is not of its record.
        """
        subjects = {subject: bytes.fromhex(subject) for subject, _, _ in asked}
        keys = {key.subject + key.id: key for key in self._keys.all_of(list(subjects.values()))}
        ciphers: dict[bytes, AESGCM] = {}
        revealed: list[bytes | None] = []
        for subject, about, personal in asked:
            if personal[:1] != _FORMAT:
                raise Invalid("the personal fields are not in a format that this Windvane knows: update it")
            name = subjects[subject] + personal[1:_PREFIX_BYTES]
            key = keys.get(name) or self._unstored(subjects[subject], personal[1:_PREFIX_BYTES])
            if key is None:
                revealed.append(None)
                continue
            if name not in ciphers:
                ciphers[name] = AESGCM(self._kms.unwrap(key.wrapped, name))
            revealed.append(_opened(ciphers[name], personal[_PREFIX_BYTES:], about))
        return revealed

    def erased(self) -> frozenset[str]:
        """The hashes of all subjects that were ever erased."""
        return frozenset(erasure.subject for erasure in self._keys.erasures(0))

    def erase(self, subject: str, at: float) -> Erasure:
        """Destroy the subject's keys; what is returned belongs into the log. Erasing twice is recorded twice."""
        erasure = self._keys.erase(self._digest(subject), at)
        self.catch_up()
        return erasure

    def catch_up(self) -> tuple[Erasure, ...]:
        """Forget the keys of subjects that any process erased since the last call; once a second is often enough.

        A process that has not caught up yet may still use a destroyed key: then what it writes cannot be read, and the
        subject stays erased.
        """
        erasures = self.unheard()
        self.forget(erasures)
        return erasures

    def unheard(self) -> tuple[Erasure, ...]:
        """Read what was erased since this process last forgot; blocks, may be called from any thread."""
        return self._keys.erasures(self._seen)

    def forget(self, erasures: Sequence[Erasure]) -> None:
        """Forget the keys of these subjects."""
        for erasure in erasures:
            subject = self._names.pop(erasure.subject, None)
            if subject is not None:
                del self._held[subject]
        if erasures:
            self._hashes.clear()
            gone = {bytes.fromhex(erasure.subject) for erasure in erasures}
            with self._lock:
                self._new = [key for key in self._new if key.subject not in gone]
                self._storing = [key for key in self._storing if key.subject not in gone]
                self._seen = erasures[-1].number

    def _digest(self, subject: str) -> bytes:
        try:
            name = subject.encode()
        except UnicodeEncodeError as error:
            raise Invalid(f"a subject cannot be kept: {error}") from error
        hashed = self._keyed.copy()  # two thirds of the time that making one takes
        hashed.update(name)
        return hashed.digest()

    def _take(self, subjects: Sequence[str]) -> dict[str, _Held]:
        """Keys of subjects that are not held: found, or else made."""
        hashes = {subject: bytes.fromhex(self.hash(subject)) for subject in subjects}
        stored = self._keys.find(list(hashes.values()))
        if stored and (changes := self._keys.changes()) != self._synced_at:
            self._to_sync(changes)  # another process has stored one of them, and may not have synced it yet
        taken: dict[str, _Held] = {}
        for subject, hashed in hashes.items():
            key = stored.get(hashed)
            if key is None:
                taken[subject] = self._make(hashed)
            else:
                plain = self._kms.unwrap(key.wrapped, hashed + key.id)
                taken[subject] = _Held(hashed.hex(), _FORMAT + key.id, AESGCM(plain).encrypt)
        self._hold(taken.items())
        return taken

    def _make(self, hashed: bytes) -> _Held:
        id, plain = secrets.token_bytes(_ID_BYTES), AESGCM.generate_key(8 * _KEY_BYTES)
        key = SubjectKey(hashed, id, self._kms.wrap(plain, hashed + id))
        with self._lock:
            self._new.append(key)
        return _Held(hashed.hex(), _FORMAT + id, AESGCM(plain).encrypt)

    def _hold(self, taken: Iterable[tuple[str, _Held]]) -> None:
        for subject, held in taken:
            self._held[subject] = held
            self._names[held.subject] = subject
            self._hashes.pop(subject, None)
        while len(self._held) > self._most_held:
            _, oldest = self._held.popitem(last=False)
            del self._names[oldest.subject]

    def _unstored(self, subject: bytes, id: bytes) -> SubjectKey | None:
        with self._lock:
            unstored = [*self._new, *self._storing]
        return next((key for key in unstored if (key.subject, key.id) == (subject, id)), None)


def _opened(cipher: AESGCM, sealed: bytes, about: str) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())
    except (InvalidTag, ValueError) as error:
        raise Invalid(f"the personal fields of {about} were changed, or are another record's") from error
