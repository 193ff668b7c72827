"""Serve's own gRPC server, with the limits that a replica gives it."""

import asyncio
from collections.abc import Iterator

import grpc
import pytest
from ray.serve._private.constants import DEFAULT_GRPC_SERVER_OPTIONS
from ray.serve._private.grpc_util import gRPCGenericServer
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as stubs

from windvane.cluster.runtime.haproxy_queue import SPARE_BYTES
from windvane.serve_apps.grpc_limits import limit_messages

MOST_BYTES = 1_000_000


@pytest.fixture
def limited() -> Iterator[int]:
    """Bytes that a model may be sent, as its replica tells Serve; its options are its own again afterwards."""
    before = list(DEFAULT_GRPC_SERVER_OPTIONS)
    limit_messages(MOST_BYTES)
    yield MOST_BYTES
    DEFAULT_GRPC_SERVER_OPTIONS[:] = before


@pytest.mark.parametrize(
    ("size", "compression", "code"),
    [
        (MOST_BYTES + SPARE_BYTES, grpc.Compression.NoCompression, grpc.StatusCode.OK),
        (MOST_BYTES + SPARE_BYTES + 1, grpc.Compression.NoCompression, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (MOST_BYTES, grpc.Compression.Gzip, grpc.StatusCode.UNIMPLEMENTED),
        (MOST_BYTES, grpc.Compression.Deflate, grpc.StatusCode.UNIMPLEMENTED),
    ],
)
def test_serves_own_server_reads_nothing_larger_or_compressed_and_sends_large_replies(
    limited: int, size: int, compression: grpc.Compression, code: grpc.StatusCode
) -> None:
    """A replica's gRPC port is open on every interface, and 64 MiB were unpacked there before a key was asked for."""
    seen: list[int] = []

    async def answer(message: messages.ModelInferRequest, _: object) -> bytes:
        seen.append(message.ByteSize())
        return messages.ModelInferResponse(raw_output_contents=[bytes(10 * limited)]).SerializeToString()

    async def scenario() -> grpc.StatusCode:
        server = gRPCGenericServer(lambda **_: answer)
        stubs.add_GRPCInferenceServiceServicer_to_server(stubs.GRPCInferenceServiceServicer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        unbounded = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", unbounded) as channel:
                call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(
                    _message(size), timeout=30, compression=compression
                )
                return await call.code()
        finally:
            await server.stop(None)

    assert asyncio.run(scenario()) is code
    assert seen == ([size] if code is grpc.StatusCode.OK else [])


def _message(size: int) -> bytes:
    empty = messages.ModelInferRequest(raw_input_contents=[bytes(size)]).ByteSize() - size
    return messages.ModelInferRequest(raw_input_contents=[bytes(size - empty)]).SerializeToString()
