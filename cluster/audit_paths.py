"""Locates the audit trail of one Windvane and opens it as its settings say: logs, checkpoints, keys, vault."""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from windvane.cluster.decision_log.audit.checkpoint import Witness, Witnessed
from windvane.cluster.decision_log.audit.checkpoints import Checkpoints, checkpoints_of, last_signed
from windvane.cluster.decision_log.vault.file_kms import FileKms
from windvane.cluster.decision_log.vault.key_file import public_key, signing_key
from windvane.cluster.decision_log.vault.rotation import rotate
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.decision_log.write.trail import Trail
from windvane.cluster.errors import Conflict, Unavailable
from windvane.cluster.store import Shelf, Store
from windvane.configs.settings import Settings


class StoreWitness:
    """The store remembers the newest checkpoint, for it lies in another file than they do, or on another machine."""

    def __init__(self, store: Store) -> None:
        self._shelf = Shelf(store, "audit", Witnessed)

    def last(self) -> Witnessed | None:
        """Newest that was told of."""
        return self._shelf.load("checkpoint")[0]

    def saw(self, newest: Witnessed) -> None:
        """Remember it, unless a newer one is remembered."""
        known, revision = self._shelf.load("checkpoint")
        if known is None or known.number < newest.number:
            with suppress(Conflict):  # by whom signed after us, and told of that
                self._shelf.save("checkpoint", newest, revision)


class AuditPaths:
    """Paths of one Windvane's audit trail; opens nothing before it is asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.logs = settings.log
        self.checkpoints_file = checkpoints_of(Path(settings.home))
        self.vault_file = Path(settings.home) / "vault" / "subjects.db"
        self.copy = Path(settings.checkpoint_copy) if settings.checkpoint_copy else None

    def checkpoints(self, witness: Witness | None = None) -> Checkpoints:
        """For whoever signs; makes the key at first use, and raises Unavailable where one that signed is missing."""
        self._demand_signing_key()
        key = signing_key(self._settings.signing_key_file)
        return Checkpoints(self.checkpoints_file, key, self.copy, self._former(), witness)

    def public_key(self) -> Ed25519PublicKey:
        """The half of today's key that everybody may have; raises NotFound before anything was signed."""
        path = self._settings.signing_key_file
        return public_key(path.with_name(f"{path.name}.pub"))

    def public_keys(self) -> list[Ed25519PublicKey]:
        """Of every key that may have signed."""
        return [self.public_key(), *self._former()]

    def vault(self) -> Vault:
        """The subjects' keys; makes the master key at first use, and raises Unavailable where that is missing."""
        self._demand_master_key()
        kms = FileKms(self._settings.master_key_file)  # before the vault: where one stands, its key was made
        return Vault(SqliteSubjectKeys(self.vault_file), kms)

    def demand_keys(self) -> None:
        """Raise Unavailable where a key is missing that was made before, as after half a restore.

        A fresh one in its place would open nothing, and sign what nobody can tell from a forgery.
        """
        self._demand_signing_key()
        self._demand_master_key()

    def rotate_master_key(self) -> int:
        """See `rotation.rotate`."""
        return rotate(SqliteSubjectKeys(self.vault_file), self._settings.master_key_file)

    def trail(self, process: str) -> Trail:
        """A writer of acts for this process, which `process` names in a word."""
        name = f"{process}-{os.getpid()}-{uuid4().hex[:8]}"
        return Trail(self.logs, name, signed_until=self.signed_until)

    def signed_until(self) -> float:
        """Time of the last checkpoint, Unix seconds."""
        return last_signed(self.checkpoints_file)

    def _demand_signing_key(self) -> None:
        key, signed = self._settings.signing_key_file, self.checkpoints_file
        if not key.exists() and not self._settings.former_keys and signed.is_file() and signed.stat().st_size:
            raise Unavailable(
                f"{key} is missing, with which the checkpoints in {signed} were signed: restore it; or name its public "
                "half in WINDVANE_FORMER_KEYS, and a fresh one signs from now on"
            )

    def _demand_master_key(self) -> None:
        key = self._settings.master_key_file
        if not key.exists() and self.vault_file.exists():
            raise Unavailable(f"{key} is missing, which opens the subjects' keys in {self.vault_file}: restore it")

    def _former(self) -> list[Ed25519PublicKey]:
        return [public_key(Path(path)) for path in self._settings.former_keys]
