"""Carries over from the home of before a restore what a backup must not give back.

A backup knows subjects, keys and consents as they stood: without this, who was erased since can be read again, a key
that was revoked opens again, and a consent that was withdrawn holds again.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.record import Value
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.write.trail import TRAIL, Trail
from windvane.cluster.errors import NotFound, WindvaneError
from windvane.cluster.policies.consent import CONSENT, ConsentRecords
from windvane.cluster.sql_store import SqlStore
from windvane.cluster.store import Store

BY = "windvane restore"
_ORDERED = """SELECT json_extract_string(facts, '$.subject') AS subject, recorded_at AS at FROM acts
              WHERE kind IN ('erasure_ordered', 'erased')"""


@dataclass(frozen=True, slots=True)
class CarriedOver:
    """What was taken away again; `lost` says in sentences what of the former home could not be read."""

    erasures: int = 0
    keys: tuple[str, ...] = ()  # ids that were revoked
    consents: int = 0  # subjects whose last word was another
    lost: tuple[str, ...] = ()


def carry_over(
    former: AuditPaths, restored: AuditPaths, open_store: Callable[[AuditPaths], SqlStore], trail: Trail
) -> CarriedOver:
    """Take away in the restored home whatever was taken away in the former one since; doing it twice is as once.

    `open_store` opens a home's own, and may raise. What is erased is on the trail.
    """
    lost: list[str] = []
    erased: Mapping[str, float] = {}
    for what, read in (("vault", _of_vault), ("log", _of_log)):
        try:
            erased = {**dict(read(former) - _known(read, restored)), **erased}
        except (WindvaneError, OSError, sqlite3.Error) as error:
            lost.append(f"the former {what} does not say who was erased: {error}")
    _erase(erased, restored, trail)
    try:
        with closing(open_store(restored)) as after, closing(open_store(former)) as before:
            forgotten = ConsentRecords(after, str)  # by their hashes
            for subject in erased:
                forgotten.forget(subject)
            return CarriedOver(len(erased), _revoke(before, after), _consents(before, after, erased), tuple(lost))
    except WindvaneError as error:
        lost.append(f"the former store does not say which keys were revoked and consents withdrawn: {error}")
    return CarriedOver(len(erased), lost=tuple(lost))


def _known(read: Callable[[AuditPaths], set[tuple[str, float]]], restored: AuditPaths) -> set[tuple[str, float]]:
    with suppress(NotFound):  # nobody was ever erased there
        return read(restored)
    return set()


def _of_vault(home: AuditPaths) -> set[tuple[str, float]]:
    if not home.vault_file.is_file():  # opening it would make one
        raise NotFound(f"{home.vault_file} is not there")
    keys = SqliteSubjectKeys(home.vault_file)
    try:
        return {(erasure.subject, erasure.at) for erasure in keys.erasures(0)}
    finally:
        keys.close()


def _of_log(home: AuditPaths) -> set[tuple[str, float]]:
    if not (home.logs / TRAIL).is_dir():
        raise NotFound(f"{home.logs / TRAIL} is not there")
    return {(row["subject"], row["at"]) for row in Query(home.logs / TRAIL, ()).sql(_ORDERED).to_pylist()}


def _erase(erased: Mapping[str, float], restored: AuditPaths, trail: Trail) -> None:
    if not erased:
        return
    keys = SqliteSubjectKeys(restored.vault_file)
    try:
        for subject, at in sorted(erased.items(), key=lambda each: each[1]):
            done = keys.erase(bytes.fromhex(subject), at)
            detail = f"{done.keys} keys of a subject were destroyed again: it was erased on {_moment(at)}"
            facts: dict[str, Value] = {
                "subject": subject,
                "number": done.number,
                "keys": done.keys,
                "digest": done.digest,
            }
            trail.tell("erased", BY, detail, facts=facts)
    finally:
        keys.close()


def _revoke(before: Store, after: Store) -> tuple[str, ...]:
    book = KeyBook(after)
    good = {key.key_id for key in book.all() if key.revoked_at is None}
    revoked = [key for key in KeyBook(before).all() if key.revoked_at is not None and key.key_id in good]
    for key in revoked:
        assert key.revoked_at is not None
        book.revoke(key.key_id, key.revoked_by, key.reason, key.revoked_at)
    return tuple(key.key_id for key in revoked)


def _consents(before: Store, after: Store, erased: Mapping[str, float]) -> int:
    """What subjects said last is true whatever was restored, whether they gave a consent or withdrew it."""
    known = {saved.key: saved for saved in after.list(CONSENT)}
    changed = 0
    for said in before.list(CONSENT):
        found = known.get(said.key)
        if said.key in erased or (found is not None and found.body == said.body):
            continue
        after.put(CONSENT, said.key, said.body, 0 if found is None else found.revision)
        changed += 1
    return changed


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
