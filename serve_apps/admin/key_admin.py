"""Makes, lists and revokes keys for admins, and tells the replicas of every change."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from windvane.cluster.callers.api_key import ApiKey, KeyOrder
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import KeyRing, KeySnapshot
from windvane.cluster.errors import Conflict, Unavailable
from windvane.serve_apps.admin.governance.replies import KeyMade, KeyRevoked, KeyStatus

logger = logging.getLogger(__name__)


class KeyAdmin:
    """One per control replica; what it changes, control's own endpoints go by at once, and the replicas are told."""

    def __init__(
        self,
        book: KeyBook,
        publish: Callable[[KeySnapshot], bool],
        authenticator: Authenticator,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`publish` carries a snapshot to the replicas and says whether all go by it; `authenticator` is control's.

        `publish` may raise Unavailable and Conflict.
        """
        self._book = book
        self._publish = publish
        self._authenticator = authenticator
        self._told_of = 0  # revision that the replicas were told last
        self._clock = clock

    def create(self, order: KeyOrder, by: str) -> KeyMade:
        """A new key; raises Invalid."""
        now = self._clock()
        key, secret = self._book.create(order, by, now)
        return {"key": secret, "status": key_status(key, now), "replicas_told": self._told()}

    def keys(self) -> list[KeyStatus]:
        """Every key on record, oldest first."""
        now = self._clock()
        return [key_status(key, now) for key in self._book.all()]

    def revoke(self, key_id: str, reason: str, by: str) -> KeyRevoked:
        """The key opens nothing any more; NotFound, or Conflict when it is revoked already."""
        now = self._clock()
        key = self._book.revoke(key_id, by, reason, now)
        return {"status": key_status(key, now), "replicas_told": self._told()}

    def refresh(self) -> None:
        """Go by the keys that are on record, and tell the replicas of news; to be repeated, since it may fail.

        Another process may have changed them: `windvane up` makes the first key. Raises Unavailable.
        """
        snapshot = self.look()
        if snapshot.revision > self._told_of:
            self._publish(snapshot)
            self._told_of = snapshot.revision

    def look(self) -> KeySnapshot:
        """Go by the keys that are on record."""
        snapshot = self._book.snapshot()
        if snapshot.revision > self._authenticator.ring.revision:
            self._authenticator.take(KeyRing(snapshot))
        return snapshot

    def _told(self) -> bool:
        """Whether the replicas know; what is on record stands either way, and a key made is still to be shown."""
        snapshot = self.look()
        try:
            known = self._publish(snapshot)
        except (Conflict, Unavailable) as error:
            logger.warning("The keys are changed, and the replicas are not told yet: %s", error)
            return False
        self._told_of = max(self._told_of, snapshot.revision)
        return known


def key_status(key: ApiKey, now: datetime) -> KeyStatus:
    """The part of a key that may be shown; the digest is nobody's business."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "roles": list(key.roles),
        "models": None if key.models is None else list(key.models),
        "standing": "revoked" if key.revoked_at else "good" if key.is_good(now) else "expired",
        "made_at": key.made_at.isoformat(),
        "made_by": key.made_by,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "requests_per_second": key.limit.per_second if key.limit else None,
        "burst": key.limit.burst if key.limit else None,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
        "revoked_by": key.revoked_by,
        "reason": key.reason,
    }
