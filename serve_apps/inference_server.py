"""The Open Inference Protocol's questions about the server as a whole, which control answers for every model."""

from collections.abc import Callable, Sequence
from importlib.metadata import version

from fastapi import APIRouter
from pydantic import BaseModel

from cluster.errors import Unavailable
from configs.schema import ModelSpec
from serve_apps.rollout.ports import SwitchboardPort

NAME = "windvane"
EXTENSIONS = ("binary_tensor_data",)


class ServerMetadata(BaseModel):
    """Who answers, and which of the protocol's extensions it speaks."""

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


def server_routes(models: Callable[[], Sequence[ModelSpec]], switchboard: SwitchboardPort) -> APIRouter:
    """`/v2` and `/v2/health/…`; what stands under `/v2/models/{model}` that model's Gateway answers."""
    router = APIRouter()

    @router.get("/v2/", include_in_schema=False)
    @router.get("/v2")
    def server() -> ServerMetadata:
        """Name, version and extensions of the server."""
        return server_metadata()

    @router.get("/v2/health/live")
    def live() -> Live:
        """The server answers."""
        return Live(live=True)

    @router.get("/v2/health/ready")
    def ready() -> Ready:
        """Every deployed model has a version in force."""
        waiting = unready(models(), switchboard)
        if waiting:
            raise Unavailable(f"No version is in force yet of: {', '.join(waiting)}")
        return Ready(ready=True)

    return router
