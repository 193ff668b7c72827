"""The data plane that HTTP and gRPC share."""

from dataclasses import dataclass

from windvane.cluster.clock import SYSTEM_CLOCK, Clock
from windvane.serve_apps.endpoints.authentication import Authentication
from windvane.serve_apps.endpoints.request_counts import RequestCounts
from windvane.serve_apps.pipeline.decider import Decider, ServedModel


@dataclass(frozen=True, slots=True)
class DataPlane:
    """Everything that an endpoint answers callers of one model with: who they are, what is decided, what is counted."""

    model: ServedModel
    authentication: Authentication
    decider: Decider
    counts: RequestCounts
    clock: Clock = SYSTEM_CLOCK
