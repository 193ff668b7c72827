"""The storage of a Windvane: what outlives every process."""

from dataclasses import dataclass
from pathlib import Path

from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.registry import Registry
from windvane.cluster.store import Store


@dataclass(frozen=True, slots=True)
class Storage:
    """The home folder with its decision logs and fetched versions, the store, the registry, the subjects' keys."""

    home: Path
    store: Store
    registry: Registry
    vault: Vault

    def log_of(self, model: str) -> Path:
        """Folder of the model's decision log."""
        return self.home / "log" / model

    @property
    def version_cache(self) -> Path:
        """Folder that versions are fetched into."""
        return self.home / "cache" / "versions"
