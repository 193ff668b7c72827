"""Keys on record: made, listed and revoked by many at once, each change a higher revision."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers import key_book
from windvane.cluster.callers.api_key import KeyOrder, digest_of
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import KeyRing
from windvane.cluster.errors import Conflict, Invalid, NotFound, Unavailable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = KeyOrder("ann", ("client",))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def book(store: MemoryStore) -> KeyBook:
    return KeyBook(store)


def test_a_key_that_was_made_opens_until_it_is_revoked(book: KeyBook) -> None:
    key, secret = book.create(ORDER, "admin", NOW)
    digest = digest_of(secret.encode())
    before = book.snapshot()
    caller = KeyRing(before).find(digest, NOW.timestamp())
    assert caller is not None
    assert (caller.name, caller.key_id) == ("ann", key.key_id)
    book.revoke(key.key_id, "admin", "left", NOW)
    after = book.snapshot()
    assert after.revision > before.revision
    assert KeyRing(after).find(digest, NOW.timestamp()) is None


def test_the_store_never_has_the_secret(store: MemoryStore, book: KeyBook) -> None:
    _, secret = book.create(ORDER, "admin", NOW)
    (saved,) = store.list(key_book.KIND)
    assert secret.encode() not in saved.body
    assert secret[3:].encode() not in saved.body


def test_what_was_revoked_stays_on_record(book: KeyBook) -> None:
    key, _ = book.create(ORDER, "admin", NOW)
    revoked = book.revoke(key.key_id, "bob", "lost", NOW + timedelta(hours=1))
    assert book.all() == (revoked,)
    assert (revoked.name, revoked.revoked_by, revoked.reason) == ("ann", "bob", "lost")


def test_an_empty_book_has_no_keys(book: KeyBook) -> None:
    assert (book.all(), book.snapshot().revision, book.snapshot().keys) == ((), 0, ())


def test_a_key_nobody_made_cannot_be_revoked(book: KeyBook) -> None:
    book.create(ORDER, "admin", NOW)
    with pytest.raises(NotFound, match="There is no key 'nope'; `windvane keys list`"):
        book.revoke("nope", "admin", "x", NOW)
    assert book.snapshot().revision == 1


def test_revoking_twice_keeps_the_first_reason(book: KeyBook) -> None:
    key, _ = book.create(ORDER, "admin", NOW)
    book.revoke(key.key_id, "bob", "lost", NOW)
    with pytest.raises(Conflict, match="already"):
        book.revoke(key.key_id, "eve", "found", NOW)
    assert book.all()[0].reason == "lost"


def test_a_bad_order_changes_nothing(book: KeyBook) -> None:
    with pytest.raises(Invalid):
        book.create(KeyOrder("", ()), "admin", NOW)
    assert book.snapshot().revision == 0


class Racing(MemoryStore):
    """Somebody else writes between our reading and our writing, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def put(self, kind: str, key: str, body: bytes, expected_revision: int) -> int:
        if self.times:
            self.times -= 1
            act: Callable[[], object] = lambda: KeyBook(self).create(KeyOrder("rival", ("client",)), "x", NOW)  # noqa: E731
            times, self.times = self.times, 0
            act()
            self.times = times
        return super().put(kind, key, body, expected_revision)


def test_two_admins_at_once_lose_no_key() -> None:
    book = KeyBook(Racing(3))
    book.create(ORDER, "admin", NOW)
    assert sorted(key.name for key in book.all()) == ["ann", "rival", "rival", "rival"]


def test_a_race_that_never_ends_is_told() -> None:
    with pytest.raises(Unavailable, match="ask again"):
        KeyBook(Racing(1000)).create(ORDER, "admin", NOW)


def test_the_same_secret_is_put_on_record_once(book: KeyBook) -> None:
    first = book.adopt(ORDER, "s", "up", NOW)
    assert book.adopt(KeyOrder("eve", ("admin",)), "s", "up", NOW) == first
    book.revoke(first.key_id, "bob", "lost", NOW)
    assert book.adopt(ORDER, "s", "up", NOW).revoked_by == "bob"
    assert len(book.all()) == 1


def test_keys_without_end_are_refused_and_revoked_ones_do_not_count(
    book: KeyBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_book, "MOST_GOOD", 2)
    key, _ = book.create(ORDER, "admin", NOW)
    book.create(ORDER, "admin", NOW)
    with pytest.raises(Conflict, match="revoke some"):
        book.create(ORDER, "admin", NOW)
    book.revoke(key.key_id, "admin", "x", NOW)
    book.create(ORDER, "admin", NOW)
