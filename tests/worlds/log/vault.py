"""A vault for tests, with its keys under a folder; every one made from the same folder is another process."""

from pathlib import Path

from windvane.cluster.decision_log.vault.file_kms import FileKms
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.vault.vault import Vault


def open_vault(home: Path, keys: SqliteSubjectKeys | None = None) -> Vault:
    """As `AuditPaths` opens it."""
    return Vault(keys or subject_keys(home), FileKms(home / "keys" / "master.key"))


def subject_keys(home: Path) -> SqliteSubjectKeys:
    """Keys that its vault has stored."""
    return SqliteSubjectKeys(home / "vault" / "subjects.db")
