"""Probes of gRPC's health service get an answer over a real channel, as any client of it reads."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from windvane.cluster.runtime.grpc_health import SERVICE, Status, add_health_servicer_to_server, service_of


class Servicer:
    """Serving unless asked about a service called `down`."""

    def Check(self, request: bytes, _: object) -> Status:  # noqa: N802  the protocol's name
        return Status(service_of(request) != "down")


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    server = grpc.server(ThreadPoolExecutor(1))
    add_health_servicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as found:
        yield found
    server.stop(None)


@pytest.mark.parametrize(("service", "status"), [(b"", 1), (b"up", 1), (b"down", 2)])
def test_a_probe_is_answered_as_the_protocol_writes_it(channel: grpc.Channel, service: bytes, status: int) -> None:
    check = channel.unary_unary(f"/{SERVICE}/Check")
    request = bytes((0x0A, len(service))) + service if service else b""
    assert check(request, timeout=10.0) == bytes((0x08, status))


@pytest.mark.parametrize("request_", [b"\x0a", b"\x0a\x05ab", b"\x12\x02ab", b"\x0a\x01\xff", b"\x0a\x80" + b"a" * 128])
def test_what_cannot_be_read_is_no_service(request_: bytes) -> None:
    assert service_of(request_) is None
