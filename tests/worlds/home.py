"""A small home: a log, checkpoints with a second place, a vault, a store and a registry; no Ray, nothing runs."""

import itertools
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from tests.worlds.log.decision_log import decision, written
from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.callers.api_key import ApiKey, KeyOrder
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.decision_log.audit.auditor import Auditor
from windvane.cluster.decision_log.audit.verify import VerifyReport, Witnesses, verify
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.record import Value
from windvane.cluster.decision_log.vault.file_kms import FileKms
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.vault.vault import Protected, Vault
from windvane.cluster.decision_log.write.trail import TRAIL
from windvane.cluster.policies.consent import Consent, ConsentRecords
from windvane.cluster.sql_store import SqlStore
from windvane.configs.load import load_settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LOG = "flight-delay"
T = TypeVar("T")


class Home:
    """What a home is made to hold, and what stands in it; nothing is kept open in between."""

    def __init__(self, path: Path, versions_under: Path | None = None) -> None:
        self.path = path
        self.copy = path.with_name(f"{path.name}-second") / "checkpoints.jsonl"
        self.environment = {"WINDVANE_HOME": str(path), "WINDVANE_CHECKPOINT_COPY": str(self.copy)}
        self.settings = load_settings(self.environment)
        self.paths = AuditPaths(self.settings)
        self._moments = itertools.count(1.0)
        (path / "mlflow").mkdir(parents=True)
        location = f"file://{versions_under or path}/mlflow/artifacts/{LOG}"
        with closing(sqlite3.connect(path / "mlflow" / "mlflow.db")) as registry, registry:
            registry.execute("CREATE TABLE experiments (artifact_location TEXT)")
            registry.execute("INSERT INTO experiments VALUES (?)", (location,))
        (path / "admin.key").write_text("secret")
        for name in ("run", "cache", "scratch"):
            (path / name).mkdir()
            (path / name / "file").write_text(name)

        self.with_store(lambda store: store.put("split", LOG, b"{}", 0))
        trail = self.paths.trail("control")
        trail.tell("started", "ada", "is up")
        trail.close()

    def decide(self, name: str, subject: str) -> Protected:
        """A decision in the log, what is personal about it under the subject's key, and a checkpoint of both."""
        protected = self.with_vault(lambda vault: _protect(vault, subject, name))
        written(self.paths.logs / LOG, decision(name), opened_at=next(self._moments))
        Auditor(self.paths.logs, self.paths.checkpoints()).tick(next(self._moments))
        return protected

    def erase(self, subject: str, at: float) -> None:
        """As control does: ordered and done on the record, the vault's keys in between."""
        trail = self.paths.trail("control")
        facts: dict[str, Value] = {"subject": self.hash(subject)}
        trail.tell("erasure_ordered", "ada", "asked", facts=facts)
        self.with_vault(lambda vault: vault.erase(subject, at))
        trail.tell("erased", "ada", "done", facts=facts)
        trail.close()

    def hash(self, subject: str) -> str:
        return self.with_vault(lambda vault: vault.hash(subject))

    def reveal(self, name: str, protected: Protected) -> bytes:
        """Raises NotFound where nobody can read it any more."""
        return self.with_vault(lambda vault: vault.reveal(protected.subject, name, protected.personal))

    def with_vault(self, use: Callable[[Vault], T]) -> T:
        with closing(SqliteSubjectKeys(self.paths.vault_file)) as keys:
            return use(Vault(keys, FileKms(self.settings.master_key_file)))

    def with_store(self, use: Callable[[SqlStore], T]) -> T:
        with closing(SqlStore(self.settings.store_url)) as store:
            return use(store)

    def make_key(self, name: str) -> str:
        return self.with_store(lambda store: KeyBook(store).create(KeyOrder(name, ("client",)), "ada", NOW)[0].key_id)

    def revoke_key(self, key_id: str) -> ApiKey:
        return self.with_store(lambda store: KeyBook(store).revoke(key_id, "ada", "leaked", NOW))

    def keys_on_record(self) -> Mapping[str, ApiKey]:
        return self.with_store(lambda store: {key.key_id: key for key in KeyBook(store).all()})

    def consent(self, subject: str, **purposes: bool) -> None:
        self.with_store(lambda store: ConsentRecords(store, self.hash).record(subject, purposes, "ada", NOW))

    def consent_of(self, subject: str) -> Consent:
        return self.with_store(lambda store: ConsentRecords(store, self.hash).of(subject))

    def decisions(self) -> list[str]:
        found = Query(self.paths.logs / LOG, ()).sql("SELECT decision_id FROM decisions ORDER BY 1")
        return [str(each) for each in found["decision_id"].to_pylist()]

    def acts(self, kind: str) -> list[dict[str, object]]:
        found = Query(self.paths.logs / TRAIL, ()).sql("SELECT * FROM acts ORDER BY recorded_at").to_pylist()
        return [act for act in found if act["kind"] == kind]

    def verify(self) -> VerifyReport:
        paths = self.paths
        return verify(
            paths.logs, paths.checkpoints_file, paths.public_keys(), witnesses=Witnesses(paths.copy), processes=1
        )


def _protect(vault: Vault, subject: str, name: str) -> Protected:
    protected = vault.protect(subject, name, f"about {subject}".encode())
    vault.flush()
    return protected
