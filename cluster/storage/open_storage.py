"""The storage that settings name: an SQL store, MLflow's registry, the vault in the home folder."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.cluster.sql_store import SqlStore
from windvane.cluster.storage.storage import Storage
from windvane.configs.settings import Settings


def open_storage(settings: Settings) -> Storage:
    """Open it for as long as the process lives; makes the vault's master key at first use."""
    return _storage(settings, SqlStore(settings.store_url))


@contextmanager
def job_storage(settings: Settings) -> Iterator[Storage]:
    """The same for one job, closed with its block."""
    with closing(SqlStore(settings.store_url)) as store:
        yield _storage(settings, store)


def _storage(settings: Settings, store: SqlStore) -> Storage:
    registry = MlflowRegistry(settings.mlflow_uri, settings.artifacts)
    return Storage(Path(settings.home), store, registry, AuditPaths(settings).vault())
