"""The store on SQLite (embedded) or PostgreSQL (a URL), with the same statements."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    and_,
    create_engine,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from windvane.cluster.decision_log import disk
from windvane.cluster.errors import Invalid, Unavailable
from windvane.cluster.faults.sqlite_fault import sentence_of
from windvane.cluster.store import Event, Saved, conflict

BUSY_SECONDS = 30.0
_ATTEMPTS = 200  # writers that may take an event's number before us

_METADATA = MetaData()
_DOCUMENTS = Table(
    "windvane_documents",
    _METADATA,
    Column("kind", String(64), primary_key=True),
    Column("key", String(512), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("updated_at", String(40), nullable=False),
)
_EVENTS = Table(
    "windvane_events",
    _METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("model", String(64), nullable=False),
    Column("version", Integer),
    Column("detail", Text, nullable=False),
    Column("event_time", String(40)),
    Column("facts", Text, nullable=False),
)
_BY_MODEL = Index("windvane_events_by_model", _EVENTS.c.model, _EVENTS.c.number)


class SqlStore:
    """Documents with compare-and-set and a gapless event list, safe for many processes."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        try:
            self._make_tables()
        except BaseException:
            self.close()
            raise

    def get(self, kind: str, key: str) -> Saved | None:
        """The document, or None."""
        query = select(_DOCUMENTS).where(_DOCUMENTS.c.kind == kind, _DOCUMENTS.c.key == key)
        with self._transaction() as connection:
            row = connection.execute(query).first()
        return None if row is None else _saved(row)

    def put(self, kind: str, key: str, body: bytes, expected_revision: int) -> int:
        """Write when the stored revision is the expected one (0: must not exist), else raise Conflict."""
        now = datetime.now(UTC).isoformat()
        revision = expected_revision + 1
        values = {"revision": revision, "body": body, "updated_at": now}
        try:
            with self._transaction() as connection:
                if expected_revision == 0:
                    connection.execute(_DOCUMENTS.insert().values(kind=kind, key=key, **values))
                    return revision
                same = _at(kind, key, expected_revision)
                if connection.execute(_DOCUMENTS.update().where(same).values(**values)).rowcount == 1:
                    return revision
        except IntegrityError:
            pass  # somebody made it first; told below with the revision it has
        found = self.get(kind, key)
        raise conflict(kind, key, expected_revision, found.revision if found else 0)

    def remove(self, kind: str, key: str, expected_revision: int) -> None:
        """Take the document away when its revision is the expected one, else raise Conflict."""
        with self._transaction() as connection:
            removed = connection.execute(_DOCUMENTS.delete().where(_at(kind, key, expected_revision))).rowcount
        if removed != 1:
            found = self.get(kind, key)
            raise conflict(kind, key, expected_revision, found.revision if found else 0)

    def list(self, kind: str, prefix: str = "") -> tuple[Saved, ...]:
        """All documents of a kind whose key starts with `prefix`, by key."""
        # LIKE ignores case on SQLite and ORDER BY follows the locale on PostgreSQL; neither is a prefix by code point.
        starts = func.substr(_DOCUMENTS.c.key, 1, len(prefix)) == prefix
        with self._transaction() as connection:
            rows = connection.execute(select(_DOCUMENTS).where(_DOCUMENTS.c.kind == kind, starts)).all()
        return tuple(sorted(map(_saved, rows), key=lambda saved: saved.key))

    def append(self, event: Event) -> int:
        """Add an event and return its number; a number is given only after all smaller ones can be read."""
        row = {
            "at": event.at.isoformat(),
            "kind": event.kind,
            "model": event.model,
            "version": event.version,
            "detail": event.detail,
            "event_time": event.event_time.isoformat() if event.event_time else None,
            "facts": msgspec.json.encode(event.facts).decode(),
        }
        columns = [_EVENTS.c[name] for name in row]
        values = [literal(value, column.type) for value, column in zip(row.values(), columns, strict=True)]
        following = select(func.coalesce(func.max(_EVENTS.c.number), 0) + 1, *values)
        statement = _EVENTS.insert().from_select(["number", *row], following).returning(_EVENTS.c.number)
        for _ in range(_ATTEMPTS):
            try:
                with self._transaction() as connection:
                    return int(connection.execute(statement).scalar_one())
            except IntegrityError:
                continue  # another writer took the number
        raise Unavailable(f"too many writers append events at once; {event.kind} of {event.model} was not recorded")

    def events(self, model: str | None = None, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        """Events with a number above `after`, oldest first."""
        query = select(_EVENTS).where(_EVENTS.c.number > after).order_by(_EVENTS.c.number).limit(limit)
        if model is not None:
            query = query.where(_EVENTS.c.model == model)
        with self._transaction() as connection:
            return tuple(map(_event, connection.execute(query).all()))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One transaction; a database that is locked, full or away is Unavailable."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            raise Unavailable(sentence_of(f"the store at {self._engine.url!r}", reason)) from error

    def _make_tables(self) -> None:
        """Make what is missing; on PostgreSQL two first users may collide, and the loser looks again."""
        for attempt in (1, 2, 3):
            try:
                with self._transaction() as connection:
                    for table in _METADATA.sorted_tables:
                        connection.execute(CreateTable(table, if_not_exists=True))
                    connection.execute(CreateIndex(_BY_MODEL, if_not_exists=True))
                return
            except IntegrityError as error:
                if attempt == 3:
                    raise Unavailable(f"the tables of {self._engine.url!r} cannot be made: {error.orig}") from error


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        sqlite = parsed.get_backend_name() == "sqlite"
        if sqlite and parsed.database and parsed.database != ":memory:":
            disk.make_folder(Path(parsed.database).absolute().parent)
        # A connection in the pool may have died with a server that was restarted: ask before use.
        engine = create_engine(
            parsed, connect_args={"timeout": BUSY_SECONDS} if sqlite else {}, pool_pre_ping=not sqlite
        )
    except (ArgumentError, ModuleNotFoundError) as error:
        # Not echoed: a URL may hold a password.
        raise Invalid(
            f"WINDVANE_STORE cannot be used: {error}; write sqlite:///path or postgresql+psycopg://…"
        ) from error
    except OSError as error:
        raise Unavailable(f"the folder of {parsed!r} cannot be made: {error.strerror}") from error
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    try:
        _use_wal(connection)
    except BaseException:
        connection.close()  # the pool forgets a connection that its listener refuses
        raise


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers run beside one writer (WAL); the mode lives in the file, so whoever comes first writes it."""
    for attempt in (1, 2, 3, 4, 5):
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives a power cut
            return
        except sqlite3.OperationalError:
            # Changing the mode does not wait for others; taking the write lock does.
            if attempt == 5:
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()


def _at(kind: str, key: str, revision: int) -> ColumnElement[bool]:
    """The document as it was when it had this revision."""
    return and_(_DOCUMENTS.c.kind == kind, _DOCUMENTS.c.key == key, _DOCUMENTS.c.revision == revision)


def _saved(row: Any) -> Saved:
    return Saved(row.kind, row.key, row.revision, bytes(row.body), datetime.fromisoformat(row.updated_at))


def _event(row: Any) -> Event:
    return Event(
        at=datetime.fromisoformat(row.at),
        kind=row.kind,
        model=row.model,
        version=row.version,
        detail=row.detail,
        event_time=datetime.fromisoformat(row.event_time) if row.event_time else None,
        facts=msgspec.json.decode(row.facts),
        number=row.number,
    )
