"""The key with which a Windvane's owner begins: in a file that only its owner can read, with every role."""

from datetime import datetime
from pathlib import Path

from windvane.cluster.callers.api_key import KeyOrder, fresh_secret
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.host.secret_files import ensure_secret
from windvane.configs.access import FIRST_KEY, ROLES

NAME = "admin"


def ensure_first_key(home: Path, book: KeyBook, now: datetime) -> Path:
    """The file with a key that is good, made when there is none; one that was revoked is replaced.

    Whoever may write here may write the store too, so that a lost admin key shuts nobody out for good. May be called
    by several at once, and after a death anywhere: the file comes first, and the record follows it.
    """
    path = home / FIRST_KEY
    order = KeyOrder(NAME, ROLES)
    key = book.adopt(order, ensure_secret(path, fresh_secret), "windvane up", now)
    if not key.is_good(now):
        path.unlink(missing_ok=True)
        book.adopt(order, ensure_secret(path, fresh_secret), "windvane up", now)
    return path
