"""The owner's first key: there after every start, good, private, and replaced only when it opens nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.api_key import digest_of
from windvane.cluster.callers.first_key import ensure_first_key
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import KeyRing
from windvane.cluster.errors import Invalid
from windvane.configs.access import ROLES

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def opens(book: KeyBook, path: Path) -> bool:
    caller = KeyRing(book.snapshot()).find(digest_of(path.read_bytes()), NOW.timestamp())
    return caller is not None and caller.roles == frozenset(ROLES) and caller.models is None


def test_it_has_every_role_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    book = KeyBook(MemoryStore())
    path = ensure_first_key(tmp_path / "home", book, NOW)
    assert opens(book, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["admin.key"]


def test_a_second_start_keeps_it(tmp_path: Path) -> None:
    book = KeyBook(MemoryStore())
    text = ensure_first_key(tmp_path, book, NOW).read_text()
    assert ensure_first_key(tmp_path, book, NOW).read_text() == text
    assert len(book.all()) == 1


def test_a_death_between_the_file_and_the_record_is_mended(tmp_path: Path) -> None:
    path = ensure_first_key(tmp_path, KeyBook(MemoryStore()), NOW)
    book = KeyBook(MemoryStore())  # which knows nothing of it, as after a death, or with a new store
    text = path.read_text()
    assert opens(book, ensure_first_key(tmp_path, book, NOW))
    assert path.read_text() == text


def test_one_that_was_revoked_is_replaced(tmp_path: Path) -> None:
    book = KeyBook(MemoryStore())
    path = ensure_first_key(tmp_path, book, NOW)
    leaked = path.read_bytes()
    book.revoke(book.all()[0].key_id, "admin", "leaked", NOW)
    assert opens(book, ensure_first_key(tmp_path, book, NOW))
    assert path.read_bytes() != leaked
    assert KeyRing(book.snapshot()).find(digest_of(leaked), NOW.timestamp()) is None


def test_an_empty_file_is_not_a_key(tmp_path: Path) -> None:
    (tmp_path / "admin.key").touch()
    with pytest.raises(Invalid, match="is empty"):
        ensure_first_key(tmp_path, KeyBook(MemoryStore()), NOW)
