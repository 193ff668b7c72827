"""Serves the Open Inference Protocol over gRPC, on the data plane that HTTP has; maps every error once."""

import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

import grpc
from tritonclient.grpc import service_pb2 as messages

from windvane.cluster.callers.caller import Caller, demand_role
from windvane.cluster.errors import Forbidden, NotFound, TooLarge, Unavailable, WindvaneError
from windvane.configs.access import ROLES, Role
from windvane.serve_apps.endpoints.authentication import CLIENTS, chooses
from windvane.serve_apps.endpoints.data_plane import DataPlane
from windvane.serve_apps.endpoints.deadline import HEADER, read_deadline
from windvane.serve_apps.protocol.inference import Inference, version_of
from windvane.serve_apps.protocol.metadata import metadata
from windvane.serve_apps.protocol.oip_grpc import metadata_of, reply_of, request_of
from windvane.serve_apps.protocol.unforeseen import told
from windvane.serve_apps.traffic.chosen_version import choose, loaded_number

# By an error's HTTP status.
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    413: grpc.StatusCode.INVALID_ARGUMENT,  # RESOURCE_EXHAUSTED would have clients send it again
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
LONGEST_DETAILS = 1000  # they travel in a header, each byte as up to three
LOCAL_PEERS = ("ipv4:127.", "ipv6:[::1]", "ipv6:%5B::1%5D", "ipv6:[::ffff:127.", "ipv6:%5B::ffff:127.", "unix:")
Reply = TypeVar("Reply")
logger = logging.getLogger(__name__)


class Context(Protocol):
    """The part of Ray Serve's `RayServegRPCContext` that is used; the call's own deadline is not in it."""

    def invocation_metadata(self) -> Iterable[tuple[str, str]]:
        """Metadata that the caller sent beside the message."""

    def peer(self) -> str:
        """Address of the caller: `ipv4:127.0.0.1:40312`."""

    def set_code(self, code: grpc.StatusCode) -> None:
        """The status to answer with."""

    def set_details(self, details: str) -> None:
        """The sentence beside it."""

    def set_trailing_metadata(self, trailing_metadata: list[tuple[str, str]]) -> None:
        """Set what follows the reply."""


class OipGrpc:
    """One model's side of `inference.GRPCInferenceService`."""

    def __init__(self, data_plane: DataPlane, local: bool = True) -> None:
        """`local` refuses callers on other machines, since Ray binds replicas' own gRPC ports on all interfaces."""
        spec = data_plane.model.spec
        self._spec = spec
        self._authentication = data_plane.authentication
        self._loaded_versions = data_plane.model.loaded_versions
        self._decider = data_plane.decider
        self._counts = data_plane.counts
        self._local = local
        self._now = data_plane.clock.now
        self._ticks = data_plane.clock.ticks
        self._most_bytes = spec.serving.max_body_bytes
        self._inference = Inference(spec)

    async def infer(self, request: messages.ModelInferRequest, context: Context) -> messages.ModelInferResponse:
        """Decide every row of the request."""
        return await self._answered(
            lambda caller: self._infer(request, context, caller), CLIENTS, messages.ModelInferResponse(), context
        )

    async def metadata(
        self, request: messages.ModelMetadataRequest, context: Context
    ) -> messages.ModelMetadataResponse:
        """Describe the model's inputs and outputs."""
        return await self._answered(lambda _: self._metadata(request), ROLES, messages.ModelMetadataResponse(), context)

    async def ready(self, request: messages.ModelReadyRequest, context: Context) -> messages.ModelReadyResponse:
        """Whether the model, or the version asked for, can answer here."""
        return await self._answered(lambda _: self._ready(request), ROLES, messages.ModelReadyResponse(), context)

    async def _infer(
        self, request: messages.ModelInferRequest, context: Context, caller: Caller
    ) -> messages.ModelInferResponse:
        arrived = self._ticks()
        self._demand(request.model_name)
        if request.ByteSize() > self._most_bytes:
            raise TooLarge(f"The message has {request.ByteSize()} bytes; send at most {self._most_bytes}")
        sent = dict(context.invocation_metadata())
        deadline = read_deadline(sent[HEADER], arrived) if HEADER in sent else None
        override = (
            choose(request.model_version, self._loaded_versions, lambda: chooses(caller))
            if request.model_version
            else None
        )
        admission = self._decider.admission
        predicted, took = admission.enter(None if deadline is None else deadline - arrived - admission.unseen), 0.0
        try:
            message = request_of(request)
            asked = self._inference.ask(message, self._now())
            self._authentication.debit(caller, len(asked.questions))
            answers = await self._decider.decide(asked.questions, arrived, override, deadline, asked.encoded, caller)
            took = self._ticks() - arrived
        finally:
            admission.leave(predicted if took else 0.0, took)
        if asked.warnings:
            self._counts.answered(asked.warnings)
        tensors = self._inference.outputs(answers, self._inference.wanted(message))
        return reply_of(self._spec.name, version_of(answers), request, tensors, asked.parameters())

    async def _metadata(self, request: messages.ModelMetadataRequest) -> messages.ModelMetadataResponse:
        self._demand(request.name, request.version)
        return metadata_of(metadata(self._spec, self._loaded_versions.loaded))

    async def _ready(self, request: messages.ModelReadyRequest) -> messages.ModelReadyResponse:
        self._demand(request.name)
        loaded = not request.version or any(request.version == str(number) for number in self._loaded_versions.loaded)
        try:
            self._decider.demand_ready()
        except Unavailable:
            loaded = False
        return messages.ModelReadyResponse(ready=loaded)

    async def _answered(
        self, answer: Callable[[Caller], Awaitable[Reply]], roles: tuple[Role, ...], empty: Reply, context: Context
    ) -> Reply:
        """The reply, or `empty` under the status of what went wrong; nothing is raised, since Serve logs each."""
        caller = None
        try:
            if self._local:
                demand_local(context)
            caller = await self._authentication.admit(headers_of(context))
            self._authentication.demand(caller)
            demand_role(caller, *roles)
            return await answer(caller)
        except WindvaneError as error:
            self._authentication.refused(error, f"gRPC {self._spec.name}", caller)
            self._refuse(error, roles, context)
        except Exception as error:
            logger.exception("A gRPC request about %s was not answered", self._spec.name)
            self._refuse(told(error), roles, context)
        return empty

    def _refuse(self, error: WindvaneError, roles: tuple[Role, ...], context: Context) -> None:
        """Answer with the error; counted unless only metadata or readiness was asked for."""
        if roles == CLIENTS:
            self._counts.refused(error)
        refuse(error, context)

    def _demand(self, model: str, version: str = "") -> None:
        if model != self._spec.name:
            raise NotFound(f"No model {model[:64]!a} answers here; this is {self._spec.name}")
        if version:
            loaded_number(version, self._loaded_versions)


def headers_of(context: Context) -> list[tuple[bytes, bytes]]:
    """The metadata as HTTP headers; gRPC has names in lower case."""
    return [(name.encode(), value.encode()) for name, value in context.invocation_metadata() if isinstance(value, str)]


def demand_local(context: Context) -> None:
    """Raise Forbidden when another machine calls."""
    if not context.peer().startswith(LOCAL_PEERS):
        raise Forbidden("This Windvane answers its own machine only: set WINDVANE_HOST to open it")


def refuse(error: WindvaneError, context: Context) -> None:
    """Set the error's status, its sentence and, where trying again may help, when to."""
    context.set_code(CODES.get(error.status, grpc.StatusCode.INTERNAL))
    context.set_details(error.line[:LONGEST_DETAILS])
    if isinstance(error, Unavailable):
        wait_ms = math.ceil(1000.0 * error.retry_after_seconds)
        context.set_trailing_metadata([("grpc-retry-pushback-ms", str(wait_ms))])
