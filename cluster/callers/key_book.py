"""All keys on record, as one document: a snapshot is one read, and its revision grows with every change."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from windvane.cluster.callers import api_key
from windvane.cluster.callers.api_key import ApiKey, KeyOrder
from windvane.cluster.callers.key_ring import KeySnapshot
from windvane.cluster.errors import Conflict, NotFound, Unavailable
from windvane.cluster.store import Shelf, Store

KIND, KEY = "access", "keys"
MOST_GOOD = 2_000  # keys in force; people come with tokens of their issuer
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Page:
    """The document."""

    keys: tuple[ApiKey, ...] = ()


class KeyBook:
    """Makes, lists and revokes keys; safe for many processes (compare-and-set)."""

    def __init__(self, store: Store) -> None:
        self._shelf = Shelf(store, KIND, Page)

    def create(self, order: KeyOrder, by: str, now: datetime) -> tuple[ApiKey, str]:
        """A new key and its secret, which nobody can show again; raises Invalid."""
        secret = api_key.fresh_secret()
        return self.adopt(order, secret, by, now), secret

    def adopt(self, order: KeyOrder, secret: str, by: str, now: datetime) -> ApiKey:
        """Put a key with this secret on record; one that is there already is returned as it stands, revoked or not."""
        made = api_key.make(order, secret, by, now)

        def add(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
            if any(key.digest == made.digest for key in keys):
                return keys
            if sum(key.is_good(now) for key in keys) >= MOST_GOOD:
                raise Conflict(
                    f"{MOST_GOOD} keys are in force: revoke some, or take your issuer's tokens (WINDVANE_TOKEN_ISSUER)"
                )
            return (*keys, made)

        return next(key for key in self._change(add) if key.digest == made.digest)

    def revoke(self, key_id: str, by: str, reason: str, now: datetime) -> ApiKey:
        """The key opens nothing any more; NotFound, or Conflict when it is revoked already."""

        def strike(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
            if all(key.key_id != key_id for key in keys):
                raise NotFound(f"There is no key {key_id[:40]!a}; `windvane keys list` shows them")
            return tuple(api_key.revoke(key, by, reason, now) if key.key_id == key_id else key for key in keys)

        return next(key for key in self._change(strike) if key.key_id == key_id)

    def all(self) -> tuple[ApiKey, ...]:
        """Every key that was ever made, oldest first."""
        return self._load()[0].keys

    def snapshot(self) -> KeySnapshot:
        """The keys that were not revoked, for the replicas; one that expired is refused there with when that was."""
        page, revision = self._load()
        return KeySnapshot(revision, tuple(key for key in page.keys if key.revoked_at is None))

    def _load(self) -> tuple[Page, int]:
        page, revision = self._shelf.load(KEY)
        return page or Page(), revision

    def _change(self, change: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, ...]]) -> tuple[ApiKey, ...]:
        """The keys after the change, which is made anew when somebody else wrote in between."""
        for _ in range(_ATTEMPTS):
            page, revision = self._load()
            keys = change(page.keys)
            if keys == page.keys:
                return keys
            try:
                self._shelf.save(KEY, replace(page, keys=keys), revision)
            except Conflict:
                continue
            return keys
        raise Unavailable("Too many change the keys at once: ask again")
