"""The registry on MLflow: a registered model per model, its versions tagged with their standing and lineage."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, cast

import msgspec

from windvane.cluster.decision_log import disk
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import NotFound, Unavailable
from windvane.cluster.mlflow_client import open_client
from windvane.cluster.registry import Registration, Standing, Version, no_version, require_files

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
_TAG = "windvane."
_LONGEST_PARAM = 6000  # characters MLflow keeps
_LONGEST_TAG = 8000
_LONGEST_REGISTRATION = 600_000  # milliseconds; a run is only open while its files are copied


class MlflowRegistry:
    """Versions, lineage and bundles in MLflow; nothing is imported or opened before the first call that needs it."""

    def __init__(self, tracking_uri: str, artifacts: Path) -> None:
        self._uri = tracking_uri
        self._artifacts = artifacts
        self._opened: MlflowClient | None = None

    def register(self, registration: Registration, bundle: Path, extras: Path | None = None) -> Version:
        """Store the bundle folder (and `extras`, plots and reports) and return the new version."""
        require_files(bundle)
        with self._answers() as client:
            run = self._log_run(client, registration, bundle, extras)
            self._ensure_model(client, registration.model)
            made = client.create_model_version(
                registration.model,
                source=f"{run.info.artifact_uri}/bundle",
                run_id=run.info.run_id,
                tags=_tags_of(registration),
                description=registration.reason,
                await_creation_for=0,
            )
            client.set_terminated(run.info.run_id, "FINISHED")
            return _version(made)

    def versions(self, model: str) -> tuple[Version, ...]:
        """All versions, oldest first; empty when the model is unknown."""
        found: list[Version] = []
        token: str | None = None
        with self._answers() as client:
            while True:
                page = client.search_model_versions(f"name = '{_plain(model)}'", max_results=200, page_token=token)
                found += map(_version, page)
                token = page.token
                if not token:
                    return tuple(sorted(found, key=lambda version: version.number))

    def version(self, model: str, number: int) -> Version:
        """That version; raises NotFound with the versions there are."""
        versions = self.versions(model)
        for version in versions:
            if version.number == number:
                return version
        raise no_version(model, number, versions)

    def champion(self, model: str) -> int | None:
        """The number the champion alias points to, or None."""
        try:
            with self._answers() as client:
                number = client.get_registered_model(model).aliases.get(CHAMPION)
        except NotFound:
            return None
        return None if number is None else int(number)

    def set_champion(self, model: str, number: int) -> None:
        """Move the champion alias; setting it twice is the same as once."""
        self.version(model, number)
        with self._answers() as client:
            client.set_registered_model_alias(model, CHAMPION, str(number))

    def set_standing(self, model: str, number: int, standing: Standing, why: str) -> None:
        """Tag the version with its standing and the sentence that says why."""
        self.version(model, number)
        with self._answers() as client:
            client.set_model_version_tag(model, str(number), f"{_TAG}why", why)
            client.set_model_version_tag(model, str(number), f"{_TAG}standing", standing)

    def fetch(self, model: str, number: int, into: Path) -> Path:
        """A local folder that holds the version's bundle; a copy made before is found without MLflow."""
        parent = into / model
        folder = parent / str(number)
        if folder.is_dir():  # it was renamed to this name when it was whole
            return folder
        version = self.version(model, number)
        with self._answers() as client:
            parent.mkdir(parents=True, exist_ok=True)
            with open(parent / f".{number}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if folder.is_dir():
                    return folder
                part = parent / f".{number}.part"  # ours alone under the lock; a killed copy leaves one behind
                rmtree(part, ignore_errors=True)
                part.mkdir()
                fetched = Path(client.download_artifacts(version.run_id, "bundle", str(part)))
                for place in (*fetched.rglob("*"), fetched):
                    place.chmod(0o700 if place.is_dir() else 0o600)  # a copy has the mode of what is copied
                    disk.sync_file(place)  # else a power cut leaves files that are not whole under the name
                os.rename(fetched, folder)
                disk.sync_folder(parent)
                part.rmdir()
        return folder

    def _log_run(self, client: "MlflowClient", registration: Registration, bundle: Path, extras: Path | None) -> Any:
        """One run with figures and files; a run that could not be completed says so."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(datetime.now(UTC).timestamp() * 1000)
        experiment = self._experiment(client, registration.model)
        self._end_abandoned(client, experiment, now - _LONGEST_REGISTRATION)
        run = client.create_run(
            experiment,
            run_name=f"{registration.model}: {registration.reason}"[:250],
            tags={"mlflow.user": registration.owner, "mlflow.source.name": "windvane.training.retrain"},
        )
        try:
            params = [Param(name, value[:_LONGEST_PARAM]) for name, value in registration.params.items()]
            tags = [RunTag(name, value[:_LONGEST_TAG]) for name, value in registration.tags.items()]
            metrics = [Metric(name, value, now, 0) for name, value in registration.metrics.items()]
            client.log_batch(run.info.run_id, metrics=metrics)
            for start in range(0, max(len(params), len(tags)), 100):  # what one batch takes
                batch = slice(start, start + 100)
                client.log_batch(run.info.run_id, params=params[batch], tags=tags[batch])
            client.log_artifacts(run.info.run_id, str(bundle), "bundle")
            if extras is not None:
                client.log_artifacts(run.info.run_id, str(extras), "report")
        except BaseException:
            client.set_terminated(run.info.run_id, "FAILED")
            raise
        return run

    def _end_abandoned(self, client: "MlflowClient", experiment: str, before: int) -> None:
        """Runs of processes that were killed while they registered would be running for ever."""
        filter_string = f"attributes.status = 'RUNNING' and attributes.start_time < {before}"
        for run in client.search_runs([experiment], filter_string):
            client.set_terminated(run.info.run_id, "KILLED")

    def _experiment(self, client: "MlflowClient", model: str) -> str:
        """The model's experiment; a tracking server decides itself where artifacts go."""
        from mlflow.exceptions import MlflowException

        location = None if self._uri.startswith("http") else (self._artifacts.absolute() / model).as_uri()
        found = client.get_experiment_by_name(model)
        if found is None:
            try:
                return str(client.create_experiment(model, artifact_location=location))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = client.get_experiment_by_name(model)
        return str(found.experiment_id)

    def _ensure_model(self, client: "MlflowClient", model: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    @contextmanager
    def _answers(self) -> Iterator["MlflowClient"]:
        """The client; what MLflow does not know is NotFound, everything else it cannot do is Unavailable."""
        try:
            opened = self._opened = self._opened or open_client(self._uri)
            yield opened
        except (OSError, ImportError, sqlite3.Error) as error:
            raise Unavailable(f"MLflow at {self._uri} cannot reach its files: {error}") from error
        except Exception as error:
            code = getattr(error, "error_code", None)  # an MlflowException, whose type takes 3 s to import
            if code is None:
                raise
            if code == "RESOURCE_DOES_NOT_EXIST":
                raise NotFound(str(error)) from error
            raise Unavailable(f"MLflow at {self._uri} refused: {error}") from error


def _plain(model: str) -> str:
    """The name inside MLflow's filter language; a quote can only come from no declared model."""
    return model.replace("'", "")


def _tags_of(registration: Registration) -> dict[str, str]:
    """Tags that a version carries beside MLflow's own fields; absent where there is none."""
    tags = {
        "standing": registration.standing,
        "reason": registration.reason,
        "owner": registration.owner,
        "parent": registration.parent,
        "request_id": registration.request_id,
        "metrics": msgspec.json.encode(registration.metrics).decode(),
    }
    return dict(registration.tags) | {_TAG + name: str(value) for name, value in tags.items() if value is not None}


def _version(made: Any) -> Version:
    """An MLflow model version in our words."""
    tags = {name.removeprefix(_TAG): value for name, value in made.tags.items() if name.startswith(_TAG)}
    return Version(
        model=made.name,
        number=int(made.version),
        created_at=datetime.fromtimestamp(made.creation_timestamp / 1000, UTC),
        owner=tags.get("owner", ""),
        reason=tags.get("reason", "manual"),
        standing=cast(Standing, tags.get("standing", "candidate")),
        parent=int(tags["parent"]) if "parent" in tags else None,
        run_id=made.run_id,
        request_id=tags.get("request_id"),
        metrics=json_decoder(dict[str, float]).decode(tags.get("metrics", "{}")),
        tags={name: value for name, value in made.tags.items() if not name.startswith(_TAG)},
    )
