"""The Open Inference Protocol's questions about the server as a whole, which control answers for every model."""

from collections.abc import Callable, Sequence
from importlib.metadata import version

from fastapi import FastAPI
from pydantic import BaseModel

from windvane.cluster.errors import Unavailable
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.admin.route_auth import open_to_all
from windvane.serve_apps.rollout.ports import SwitchboardPort

NAME = "windvane"
EXTENSIONS = ("binary_tensor_data",)


class ServerMetadata(BaseModel):
    """Name and version of the server, and the protocol's extensions that it speaks."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """The server answers."""

    live: bool


class Ready(BaseModel):
    """Every model answers."""

    ready: bool


def server_metadata() -> ServerMetadata:
    """This Windvane."""
    return ServerMetadata(name=NAME, version=version(NAME), extensions=list(EXTENSIONS))


def unready(models: Sequence[ModelSpec], switchboard: SwitchboardPort) -> list[str]:
    """The deployed models of which no replica has a version in force; raises Unavailable when nobody knows."""
    return [
        spec.name
        for spec in models
        if not any(report.in_force > 0 for report in switchboard.in_force(spec.name).values())
    ]


def add_server_routes(
    app: FastAPI,
    models: Callable[[], Sequence[ModelSpec]],
    switchboard: SwitchboardPort,
    demand_open: Callable[[], None],
) -> None:
    """`/v2` and `/v2/health/…`, for probes; what stands under `/v2/models/{model}` that model's Gateway answers.

    `demand_open` raises Unavailable while no policy set is in force.
    """

    @app.get("/v2/", include_in_schema=False, openapi_extra=open_to_all())
    @app.get("/v2", openapi_extra=open_to_all())
    def server() -> ServerMetadata:
        """Name, version and extensions of the server."""
        return server_metadata()

    @app.get("/v2/health/live", openapi_extra=open_to_all())
    def live() -> Live:
        """The server answers."""
        return Live(live=True)

    @app.get("/v2/health/ready", openapi_extra=open_to_all())
    def ready() -> Ready:
        """A policy set is in force, and a version of every deployed model."""
        demand_open()
        waiting = unready(models(), switchboard)
        if waiting:
            sentence = f"{len(waiting)} of the models have no version in force yet: `windvane status` names them"
            raise Unavailable(sentence)
        return Ready(ready=True)
