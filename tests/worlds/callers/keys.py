"""Callers for tests: keys with secrets that are written down, and an authenticator that knows them."""

from datetime import UTC, datetime

from windvane.cluster.callers import api_key
from windvane.cluster.callers.api_key import ApiKey, KeyOrder
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.caller import Caller
from windvane.cluster.callers.key_ring import KeyRing, KeySnapshot
from windvane.cluster.callers.rate import Limit
from windvane.configs.access import ROLES, Role

MADE = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "wv_" + "b" * 43
BOSS = {"authorization": f"Bearer {SECRET}"}  # the key that has every role
TESTER = Caller("tester", frozenset({"client"}), None, None)  # who sends no key, where a test does not care


def key(secret: str, *roles: Role, name: str = "ann", models: tuple[str, ...] | None = None) -> ApiKey:
    """A key on record."""
    return api_key.make(KeyOrder(name, roles, models), secret, "test", MADE)


def limited(secret: str, per_second: float, burst: int) -> ApiKey:
    """A client's key with a limit."""
    return api_key.make(KeyOrder("slow", ("client",), None, None, Limit(per_second, burst)), secret, "test", MADE)


def knowing(*keys: ApiKey, anybody: Caller | None = None) -> Authenticator:
    """It knows the boss's key and these, at a moment that does not pass."""
    found = Authenticator(None, anybody, now=MADE.timestamp, ticks=lambda: 0.0)
    found.take(KeyRing(KeySnapshot(1, (key(SECRET, *ROLES, name="boss"), *keys))))
    return found
