"""Locks among all processes that share a store: they end with their holder, however that ends, and never expire."""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from windvane.cluster.errors import Unavailable

PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.05


@contextmanager
def store_lock(url: str, name: str, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock of that name among the users of the store at `url`, from any thread; it cannot be taken twice.

    The store of one machine (SQLite) has a lock file beside it, which the kernel lets go of with its holder;
    PostgreSQL an advisory lock of a session, which the server lets go of within half a minute of losing the holder's
    machine. Raises Unavailable when somebody else holds it for longer than the patience, or the lock cannot be asked.
    """
    file = _file_of(url, name)
    with _file_lock(file, name, patience_seconds) if file else _advisory_lock(url, name, patience_seconds):
        yield


def _file_of(url: str, name: str) -> Path | None:
    """Path of an SQLite store's lock, None for a store on a server.

    >>> _file_of("sqlite:////srv/windvane.db", "deploy")
    PosixPath('/srv/windvane.db.deploy.lock')
    >>> _file_of("postgresql+psycopg://db/windvane", "deploy")
    """
    parts = urlsplit(url)
    return Path(f"{parts.path[1:]}.{name}.lock") if parts.scheme.partition("+")[0] == "sqlite" else None


@contextmanager
def _file_lock(file: Path, name: str, patience_seconds: float) -> Iterator[None]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unavailable(
            f"the lock in {file} cannot be opened ({error.strerror}): make its folder writable"
        ) from error
    try:
        _wait_for(lambda: _taken(descriptor), patience_seconds, lambda: _busy(name, f"process {_holder(descriptor)}"))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d" % os.getpid(), 0)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode("ascii", "replace") or "of another user"


@contextmanager
def _advisory_lock(url: str, name: str, patience_seconds: float) -> Iterator[None]:
    from sqlalchemy import create_engine, text  # half a second, which a store in a file does not need
    from sqlalchemy.exc import SQLAlchemyError

    key = int.from_bytes(hashlib.sha256(f"windvane:{name}".encode()).digest()[:8], signed=True)
    try:
        with ExitStack() as held:
            engine = create_engine(url, isolation_level="AUTOCOMMIT")
            held.callback(engine.dispose)
            connection = held.enter_context(engine.connect())
            for setting, value in (("idle", 10), ("interval", 5), ("count", 3)):
                connection.execute(text(f"SET tcp_keepalives_{setting} = {value}"))
            taken = text("SELECT pg_try_advisory_lock(:key)")
            _wait_for(
                lambda: bool(connection.execute(taken, {"key": key}).scalar_one()),
                patience_seconds,
                lambda: _busy(name, "a process elsewhere"),
            )
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
    except (SQLAlchemyError, ImportError) as error:
        # Not echoed whole: a URL may hold a password.
        raise Unavailable(f"the store cannot be asked for the lock {name!r}: {type(error).__name__}") from error


def _wait_for(taken: Callable[[], bool], patience_seconds: float, busy: Callable[[], Unavailable]) -> None:
    deadline = time.monotonic() + patience_seconds
    while not taken():
        if time.monotonic() >= deadline:
            raise busy()
        time.sleep(POLL_SECONDS)


def _busy(name: str, holder: str) -> Unavailable:
    return Unavailable(f"{holder} holds the lock {name!r}: wait until it is done and try again, or end it")
