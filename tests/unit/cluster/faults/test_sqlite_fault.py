"""Store and vault say what to do about their file; which faults there are is SQLite's own affair."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.errors import Unavailable
from windvane.cluster.faults.sqlite_fault import sentence_of
from windvane.cluster.sql_store import SqlStore


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "small.db", isolation_level=None)) as database:
        database.execute("PRAGMA max_page_count = 2")
        database.execute("CREATE TABLE t (x)")
        with pytest.raises(sqlite3.OperationalError) as caught:
            database.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert sentence_of("the store", caught.value) == "the store cannot be written: database or disk is full; make room"


def test_a_damaged_store_and_vault_are_told_with_what_to_do(tmp_path: Path) -> None:
    place = tmp_path / "file.db"
    place.write_bytes(b"no database at all" * 1000)
    sentence = "is damaged: file is not a database; restore a backup"
    with pytest.raises(Unavailable, match=f"the store at .* {sentence}"):
        SqlStore(f"sqlite:///{place}")
    with pytest.raises(Unavailable, match=f"the vault in {place} {sentence}"):
        SqliteSubjectKeys(place)
