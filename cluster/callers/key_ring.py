"""The keys that are good, as a replica holds them: found by digest, replaced whole by a newer revision."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from types import MappingProxyType

import msgspec

from windvane.cluster.callers.api_key import ApiKey, digest_of
from windvane.cluster.callers.caller import Caller
from windvane.cluster.callers.rate import Limit
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Invalid, Unauthorized


@dataclass(frozen=True, slots=True)
class KeySnapshot:
    """Keys that travel to the replicas: every one that was not revoked, as of one revision of the book."""

    revision: int
    keys: tuple[ApiKey, ...]


@dataclass(frozen=True, slots=True)
class HeldKey:
    """One key in the ring."""

    caller: Caller
    expires: float  # Unix seconds
    limit: Limit | None


class KeyRing:
    """One snapshot made ready for looking up; never changed.

    A key is found by its SHA-256 digest in a hash table, not compared with any: what the time of a look-up could tell
    of a stored digest does not help, for to try a digest one has to know a key that has it, and who knows the digest
    cannot work a key out of it. So there is nothing for a constant-time comparison to hide.
    """

    def __init__(self, snapshot: KeySnapshot) -> None:
        self.revision = snapshot.revision
        held = {bytes.fromhex(key.digest): _held(key) for key in snapshot.keys if key.revoked_at is None}
        self._held: Mapping[bytes, HeldKey] = MappingProxyType(held)
        self._limits = {each.caller.key_id: each.limit for each in held.values()}

    def __len__(self) -> int:
        return len(self._held)

    def find(self, digest: bytes, now: float) -> Caller | None:
        """Owner of the key of this digest; None when no such key is held, Unauthorized when its time is over."""
        held = self._held.get(digest)
        if held is None:
            return None
        if now >= held.expires:
            when = f"{datetime.fromtimestamp(held.expires, UTC):%Y-%m-%d}"
            raise Unauthorized(f"The key {held.caller.key_id} expired on {when}: ask an admin for another one")
        return held.caller

    def limit_of(self, key_id: str) -> Limit | None:
        """Rate limit of that key; None without one."""
        return self._limits.get(key_id)


EMPTY_SNAPSHOT = KeySnapshot(0, ())
EMPTY = KeyRing(EMPTY_SNAPSHOT)


def encode_snapshot(snapshot: KeySnapshot) -> str:
    """The JSON that travels."""
    return msgspec.json.encode(snapshot).decode()


def decode_snapshot(text: str) -> KeySnapshot:
    """The snapshot in a JSON text; raises Invalid when it is none, or no ring can be made of it."""
    try:
        snapshot = json_decoder(KeySnapshot).decode(text)
        for key in snapshot.keys:
            if len(bytes.fromhex(key.digest)) != len(digest_of(b"")):
                raise ValueError(f"the digest of {key.key_id} is not one")
    except (msgspec.DecodeError, ValueError) as error:
        raise Invalid(f"This is no snapshot of keys: {error}") from error
    return snapshot


def _held(key: ApiKey) -> HeldKey:
    models = None if key.models is None else frozenset(key.models)
    caller = Caller(key.name, frozenset(key.roles), models, key.key_id)
    return HeldKey(caller, inf if key.expires_at is None else key.expires_at.timestamp(), key.limit)
