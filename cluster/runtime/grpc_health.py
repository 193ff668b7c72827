"""gRPC's health service (`grpc.health.v1.Health`), as Kubernetes, Envoy and load balancers probe it.

Its messages have one field each, so they are read and written here: Serve imports the function below in every process
that speaks gRPC, and finds what answers by the method's name.
"""

from typing import Any

SERVICE = "grpc.health.v1.Health"
PROTOCOL = "inference.GRPCInferenceService"  # the service whose health it tells
ADD_SERVICER = f"{__name__}.add_health_servicer_to_server"
_SERVICE_FIELD, _STATUS_FIELD = 0x0A, 0x08  # field 1 as text; field 1 as a number
SERVING, NOT_SERVING = 1, 2


class Status:
    """A `HealthCheckResponse`."""

    def __init__(self, is_serving: bool) -> None:
        self.is_serving = is_serving

    def SerializeToString(self) -> bytes:  # noqa: N802  Serve calls it, as it does of generated messages
        """The message's bytes.

        >>> Status(True).SerializeToString().hex()
        '0801'
        """
        return bytes((_STATUS_FIELD, SERVING if self.is_serving else NOT_SERVING))


def service_of(request: bytes) -> str | None:
    """Service of a `HealthCheckRequest`, empty for the server as a whole; None when it cannot be read.

    >>> service_of(b""), service_of(b"\\x0a\\x02ab"), service_of(b"\\x0a\\x09ab")
    ('', 'ab', None)
    """
    if not request:
        return ""
    if request[0] != _SERVICE_FIELD or len(request) < 2 or request[1] != len(request) - 2 or request[1] > 127:
        return None
    try:
        return request[2:].decode()
    except UnicodeDecodeError:
        return None


def add_health_servicer_to_server(servicer: Any, server: Any) -> None:
    """Adds the methods as generated code does, each with how its messages are read and written."""
    import grpc  # the command line names this function and never calls it

    check = grpc.unary_unary_rpc_method_handler(
        servicer.Check, request_deserializer=bytes, response_serializer=Status.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Check": check}),))
