"""Opening MLflow: imported late (it takes 3 s), quiet, offline, and safe when many processes open it first."""

import fcntl
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Read by MLflow when it is imported; whoever set one of them wins.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


def open_client(uri: str) -> "MlflowClient":
    """A client of tracking and registry at `uri`; an SQLite file is made and migrated on first use."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow uses what SQLAlchemy and others have deprecated
        from mlflow import MlflowClient

        if not uri.startswith("sqlite:///"):
            return MlflowClient(uri, registry_uri=uri)
        with _alone(Path(uri.removeprefix("sqlite:///"))):
            client = MlflowClient(uri, registry_uri=uri)
            client.get_experiment("0")  # opens the tracking store
            client.search_registered_models(max_results=1)  # opens the registry's
            return client


@contextmanager
def _alone(database: Path) -> Iterator[None]:
    """One process at a time, since two that migrate an empty database at once both fail."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{database}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # kept in the file: readers do not wait for a writer
        yield
