"""Subjects' keys in an SQLite file of their own.

Not in the store with the rest: millions of rows of about 100 bytes found by a binary key want no documents, and what is
destroyed must be gone from the file and from its write-ahead log at once, and from backups by a rule of their own: who
restores a backup of this file brings erased subjects back. What lies below the file system (snapshots, worn flash
blocks) is not reached from here; there a key is still wrapped by the master key.
"""

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.vault.subject_keys import Erasure, SubjectKey
from windvane.cluster.errors import Unavailable
from windvane.cluster.faults.sqlite_fault import sentence_of

BUSY_SECONDS = 30.0
_ASKED_AT_ONCE = 500
_TABLES = """
CREATE TABLE IF NOT EXISTS subject_keys (subject BLOB, id BLOB, wrapped BLOB NOT NULL, PRIMARY KEY (subject, id))
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erasures (
  number INTEGER PRIMARY KEY, at REAL NOT NULL, subject BLOB NOT NULL, keys INTEGER NOT NULL, digest BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS erasures_by_subject ON erasures (subject);
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL);
"""


class SqliteSubjectKeys:
    """Every thread has a connection of its own, so that a sync in one does not stop the other's reading.

    What is added lies in the write-ahead log until SQLite moves it, and syncs both around that; `sync` is for what
    still lies there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._named = False  # whether the name of the write-ahead log survives a power cut
        self._doubtful = False  # whether a sync of it failed, after which the kernel may call lost pages clean
        self._of_thread = threading.local()
        try:
            disk.make_folder(path.parent)
            os.close(disk.open_file(path, os.O_WRONLY, 0o600))  # SQLite gives its other files the same mode
        except OSError as error:
            raise Unavailable(f"the vault in {path} cannot be opened: {error}") from error
        with self._connection() as connection:
            connection.executescript(_TABLES)

    def secret(self, name: str, wrapped: bytes) -> bytes:
        """The one wrapped secret kept under that name, which is `wrapped` when there was none."""
        with self._connection() as connection:
            _begin(connection, "FULL")
            connection.execute("INSERT OR IGNORE INTO secrets VALUES (?, ?)", (name, wrapped))
            return bytes(connection.execute("SELECT wrapped FROM secrets WHERE name = ?", (name,)).fetchone()[0])

    def find(self, subjects: Sequence[bytes]) -> Mapping[bytes, SubjectKey]:
        """One key of each subject that has any."""
        return {key.subject: key for key in self.all_of(subjects)}

    def all_of(self, subjects: Sequence[bytes]) -> tuple[SubjectKey, ...]:
        """Every key of these subjects."""
        found: list[SubjectKey] = []
        with self._connection() as connection:
            for first in range(0, len(subjects), _ASKED_AT_ONCE):
                part = subjects[first : first + _ASKED_AT_ONCE]
                places = ",".join("?" * len(part))
                query = f"SELECT subject, id, wrapped FROM subject_keys WHERE subject IN ({places})"  # noqa: S608  only "?"
                found += [SubjectKey(*row) for row in connection.execute(query, part)]
        return tuple(found)

    def get(self, subject: bytes, id: bytes) -> SubjectKey | None:
        """That key, unless it was destroyed."""
        query = "SELECT subject, id, wrapped FROM subject_keys WHERE subject = ? AND id = ?"
        with self._connection() as connection:
            row = connection.execute(query, (subject, id)).fetchone()
        return None if row is None else SubjectKey(*row)

    def add(self, keys: Sequence[SubjectKey], seen: int) -> None:
        """Keep the keys, but for subjects that were erased after erasure number `seen`: those stay erased.

        Every process finds them now, and a kill loses none; after `sync` they survive a power cut.
        """
        statement = """INSERT OR IGNORE INTO subject_keys SELECT ?, ?, ?
                       WHERE NOT EXISTS (SELECT 1 FROM erasures WHERE subject = ? AND number > ?)"""
        rows = [(key.subject, key.id, key.wrapped, key.subject, seen) for key in keys]
        with self._connection() as connection:
            _begin(connection, "NORMAL")
            connection.executemany(statement, rows)

    def changes(self) -> int:
        """Number that differs for a thread once anybody has stored anything: then some of it may not be synced yet."""
        with self._connection() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def sync(self) -> None:
        """Return once whatever was added before survives a power cut; raises Unavailable.

        After a sync that failed the write-ahead log is not trusted: SQLite then moves all of it into the synced file.
        """
        if self._doubtful:
            self._move()
        try:
            descriptor = os.open(self._wal, os.O_RDONLY)
            try:
                disk.sync(descriptor)
                if not self._named:
                    disk.sync_folder(self._wal.parent)
                    self._named = True
            finally:
                os.close(descriptor)
        except FileNotFoundError:  # it was moved whole, and the file synced, when the last connection was closed
            return
        except OSError as error:
            self._doubtful = True
            raise Unavailable(f"the vault in {self._path} cannot be synced: {error}") from error

    def _move(self) -> None:
        with self._connection() as connection:
            connection.execute("PRAGMA synchronous = FULL")
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        if busy:
            raise Unavailable(f"the vault in {self._path} cannot be synced anew while others use it: try again")
        self._doubtful = False

    def erase(self, subject: bytes, at: float) -> Erasure:
        """Destroy the subject's keys so that they cannot be read from the storage any more, and say so.

        Raises Unavailable when they are deleted and readers kept the write-ahead log from being emptied: erase again.
        """
        with self._connection() as connection:
            _begin(connection, "FULL")
            rows = connection.execute("SELECT wrapped FROM subject_keys WHERE subject = ? ORDER BY id", (subject,))
            wrapped = [row[0] for row in rows]
            connection.execute("DELETE FROM subject_keys WHERE subject = ?", (subject,))
            (number,) = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM erasures").fetchone()
            digest = sha256(b"".join(wrapped)).digest()
            row = (number, at, subject, len(wrapped), digest)
            connection.execute("INSERT INTO erasures VALUES (?, ?, ?, ?, ?)", row)
        with self._connection() as connection:
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise Unavailable(
                f"the keys are deleted, and still lie in the write-ahead log of {self._path}: erase again"
            )
        return _erasure(row)

    def erasures(self, after: int) -> tuple[Erasure, ...]:
        """Erasures with a number above `after`, oldest first."""
        query = "SELECT number, at, subject, keys, digest FROM erasures WHERE number > ? ORDER BY number"
        with self._connection() as connection:
            return tuple(_erasure(row) for row in connection.execute(query, (after,)))

    def rewrap(self, anew: Callable[[bytes, bytes], bytes]) -> int:
        """Replace every wrapped key by what `anew` makes of it and its context, all or none; returns how many."""
        with self._connection() as connection:
            _begin(connection, "FULL")
            secrets = connection.execute("SELECT name, wrapped FROM secrets").fetchall()
            keys = connection.execute("SELECT subject, id, wrapped FROM subject_keys").fetchall()
            connection.executemany(
                "UPDATE secrets SET wrapped = ? WHERE name = ?",
                [(anew(wrapped, name.encode()), name) for name, wrapped in secrets],
            )
            connection.executemany(
                "UPDATE subject_keys SET wrapped = ? WHERE subject = ? AND id = ?",
                [(anew(wrapped, subject + id), subject, id) for subject, id, wrapped in keys],
            )
        with self._connection() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(secrets) + len(keys)

    def close(self) -> None:
        """Let go of this thread's connection."""
        if hasattr(self._of_thread, "held"):
            del self._of_thread.held

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Transaction, kept whole when it ends, or not at all."""
        try:
            held: _ThreadConnection | None = getattr(self._of_thread, "held", None)
            if held is None:
                held = self._of_thread.held = _ThreadConnection(_connect(self._path))
            connection = held.connection
            try:
                yield connection
                if connection.in_transaction:
                    connection.commit()
            except BaseException:
                if connection.in_transaction:  # also where the commit failed: else everybody would wait for it
                    connection.rollback()
                raise
        except sqlite3.Error as error:
            raise Unavailable(sentence_of(f"the vault in {self._path}", error)) from error


class _ThreadConnection:
    """A thread's connection, closed with its thread or its owner: since 3.13 Python warns where one is only dropped.

    Not by `__del__`: of what the collector finds at once, it may call the connection's own finalizer first.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        weakref.finalize(self, connection.close).atexit = False  # another thread may be using it then


def _connect(path: Path) -> sqlite3.Connection:
    # One thread uses it; the one that drops its owner may be another.
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # whatever SQLite was compiled with
        connection.execute("PRAGMA secure_delete = ON")  # deleted bytes are overwritten with zeros
    except BaseException:
        connection.close()
        raise
    return connection


def _begin(connection: sqlite3.Connection, synchronous: str) -> None:
    """A transaction that survives a kill; after its end a power cut too where that is FULL, and not NORMAL."""
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("BEGIN IMMEDIATE")


def _erasure(row: tuple[int, float, bytes, int, bytes]) -> Erasure:
    number, at, subject, keys, digest = row
    return Erasure(number, at, subject.hex(), keys, digest.hex())
