"""What an admin can ask about keys: make one, see them all, revoke one; the replicas are told of every change."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from cluster.callers.api_key import ApiKey, KeyOrder
from cluster.callers.key_book import KeyBook
from cluster.callers.key_ring import KeySnapshot
from cluster.errors import Unavailable
from serve_apps.replies import KeyMade, KeyRevoked, KeyStatus

logger = logging.getLogger(__name__)


class KeyDesk:
    """One per control replica; `publish` carries a snapshot to the replicas and may raise Unavailable."""

    def __init__(
        self,
        book: KeyBook,
        publish: Callable[[KeySnapshot], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._book = book
        self._publish = publish
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

    def publish(self) -> None:
        """Tell the replicas of the keys as they are on record; whoever steers repeats this until it succeeds."""
        self._publish(self._book.snapshot())

    def _told(self) -> bool:
        """Whether the replicas know; what is on record stands either way, and a key made is still to be shown."""
        try:
            self.publish()
        except Unavailable as error:
            logger.warning("The keys are changed, and the replicas are not told yet: %s", error)
            return False
        return True


def key_status(key: ApiKey, now: datetime) -> KeyStatus:
    """What may be shown of a key; the digest is nobody's business."""
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
