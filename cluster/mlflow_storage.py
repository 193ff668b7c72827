"""The storage that settings name: an SQL store, MLflow's registry, the vault in the home folder."""

from pathlib import Path

from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.cluster.sql_store import SqlStore
from windvane.cluster.storage import Storage
from windvane.configs.settings import Settings


def open_storage(settings: Settings) -> Storage:
    """Open it for one process; makes the vault's master key at first use."""
    return Storage(
        home=Path(settings.home),
        store=SqlStore(settings.store_url),
        registry=MlflowRegistry(settings.mlflow_uri, settings.artifacts),
        vault=AuditPaths(settings).vault(),
    )
