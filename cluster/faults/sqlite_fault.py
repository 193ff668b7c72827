"""Tells what is wrong with a database in a file, and what to do."""

import sqlite3

_TODO = {
    sqlite3.SQLITE_FULL: "cannot be written: {error}; make room",
    sqlite3.SQLITE_READONLY: "cannot be written: {error}; make its file and folder writable",
    sqlite3.SQLITE_IOERR: "cannot be read or written: {error}; look at the disk",
    sqlite3.SQLITE_CORRUPT: "is damaged: {error}; restore a backup",
    sqlite3.SQLITE_NOTADB: "is damaged: {error}; restore a backup",
}


def sentence_of(what: str, error: object) -> str:
    """The sentence for an operator; of what SQLite does not say by a code, that it does not answer.

    >>> sentence_of("the store", sqlite3.OperationalError("database is locked"))
    'the store does not answer: database is locked'
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # beyond that it says more precisely of what kind
    return f"{what} {_TODO.get(code, 'does not answer: {error}').format(error=str(error).strip())}"
