"""A Gateway whose decision log keeps nothing: what the log costs is the difference. For the bench alone."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from ray import serve

from windvane.cluster.callers.declared import declared
from windvane.cluster.decision_log.record import Record
from windvane.cluster.decision_log.write.writer import Writer
from windvane.cluster.declarations import load_spec
from windvane.cluster.storage.open_storage import open_storage
from windvane.configs.settings import Settings
from windvane.serve_apps.gateway import MOST_ONGOING_REQUESTS
from windvane.serve_apps.replica import Replica
from windvane.serve_apps.sync.ray_replica_lines import ray_lines

OPTIONS: dict[str, Any] = {
    "max_ongoing_requests": MOST_ONGOING_REQUESTS,
    "ray_actor_options": {"num_cpus": 0.25},
    "logging_config": {"enable_access_log": False},
}


class NullWriter(Writer):
    """Says of everything that it is on disk."""

    def __init__(self, *_: object, **__: object) -> None:
        self._loop = asyncio.get_running_loop()

    def extend(self, records: Sequence[Record]) -> None:
        """Forget them."""

    def commit(self, **_: bool) -> "asyncio.Future[None]":
        """Done at once."""
        future = self._loop.create_future()
        future.set_result(None)
        return future

    def demand_open(self) -> None:
        """Always open."""

    def demand_writable(self) -> None:
        """Always so."""

    def close(self) -> None:
        """Nothing is open."""


@serve.deployment(name="Gateway")
@serve.ingress()
class Unlogged:
    """As `windvane.serve_apps.gateway`, with the null writer."""

    def __init__(self, model: str, settings: dict[str, Any]) -> None:
        self._model = model
        self._settings = Settings.model_validate(settings)

    async def __serve_build_asgi_app__(self) -> Any:
        """The endpoint."""
        settings = self._settings
        storage = open_storage(settings)
        name = f"{serve.get_replica_context().replica_tag}-{uuid4().hex[:8]}"
        replica = Replica(
            load_spec(storage.store, self._model),
            name,
            storage,
            ray_lines(self._model, name, settings.ray_namespace),
            declared(settings),
            writer=NullWriter,
        )
        return replica.http_app


def build(args: dict[str, Any]) -> serve.Application:
    """The application for `{"model", "settings"}`."""
    deployment: Any = Unlogged  # the decorator's types say it is still the class
    return deployment.options(**OPTIONS).bind(args["model"], args["settings"])
