"""An API key as it is kept: everything about it but the key itself, of which only the digest is known."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from windvane.cluster.callers.rate import Limit
from windvane.cluster.errors import Conflict, Invalid, Problem
from windvane.configs.access import FASTEST, ROLES, Role

PREFIX = "wv_"  # so that people, and scanners of repositories, see what it is
SECRET_BYTES = 32
ID_DIGITS = 12
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
MODEL = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """Order for a key; `models` None is every model."""

    name: str  # whose it is; a caller may have several, to change them over
    roles: tuple[str, ...]
    models: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key on record; one that was revoked stays there, since the log names it."""

    key_id: str  # the first digits of the digest; names the key, opens nothing
    digest: str  # SHA-256 of the key, hexadecimal
    name: str
    roles: tuple[Role, ...]
    models: tuple[str, ...] | None
    made_at: datetime
    made_by: str
    expires_at: datetime | None = None
    limit: Limit | None = None
    revoked_at: datetime | None = None
    revoked_by: str = ""
    reason: str = ""  # of the revocation

    def is_good(self, now: datetime) -> bool:
        """Whether it opens anything at that moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def fresh_secret() -> str:
    """A new key, to be shown once: 256 random bits behind a prefix."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(key: bytes) -> bytes:
    """SHA-256 of a key: all that is kept of it.

    Passwords need a salt and a slow hash because people choose them from few; a stolen table of them is guessed
    through. A key is 256 random bits: nobody guesses through those at any speed, no two are alike, and so a table of
    plain digests gives nothing away. A slow hash would only make every request slow.
    """
    return hashlib.sha256(key).digest()


def make(order: KeyOrder, secret: str, by: str, now: datetime) -> ApiKey:
    """The record of a key with this secret; raises Invalid naming everything that is wrong with the order."""
    problems = tuple(_problems(order, now))
    if problems:
        raise Invalid("No such key can be made", problems)
    digest = digest_of(secret.encode()).hex()
    return ApiKey(
        digest[:ID_DIGITS],
        digest,
        order.name,
        tuple(role for role in ROLES if role in order.roles),
        None if order.models is None else tuple(sorted(set(order.models))),
        now,
        by,
        order.expires_at,
        order.limit,
    )


def revoke(key: ApiKey, by: str, reason: str, now: datetime) -> ApiKey:
    """The record of the key once it is revoked; Conflict when it is already, so that the first reason stands."""
    if key.revoked_at is not None:
        raise Conflict(f"{key.key_id} was revoked by {key.revoked_by} on {key.revoked_at:%Y-%m-%d %H:%M} UTC already")
    return replace(key, revoked_at=now, revoked_by=by, reason=reason)


def _problems(order: KeyOrder, now: datetime) -> Iterable[Problem]:
    if not NAME.fullmatch(order.name):
        yield Problem("/name", "must be 1 to 64 letters, digits, dots, dashes, underscores or @, as in night-batch")
    if not order.roles:
        yield Problem("/roles", f"is empty: give at least one of {', '.join(ROLES)}")
    for place, role in enumerate(order.roles):
        if role not in ROLES:
            yield Problem(f"/roles/{place}", f"{role[:40]!a} is none of {', '.join(ROLES)}")
    if order.models is not None and not order.models:
        yield Problem("/models", "is empty, which would open nothing: name a model, or leave it out for all of them")
    for place, model in enumerate(order.models or ()):
        if not MODEL.fullmatch(model):
            yield Problem(f"/models/{place}", f"{model[:40]!a} is not the name of a model, such as flight-delay")
    if order.expires_at is not None and order.expires_at <= now:
        yield Problem("/expires_at", f"{order.expires_at:%Y-%m-%d %H:%M} is over already: name a moment to come")
    limit = order.limit
    if limit is not None and not (0 < limit.per_second <= FASTEST and 1 <= limit.burst <= FASTEST):
        yield Problem("/limit", f"must be above 0 and at most {FASTEST:,.0f} a second, with a burst of at least 1")
