"""Limits what a replica's gRPC server reads: a message is unpacked and parsed before anybody is asked for a key.

HAProxy looks at a message's first bytes (`cluster/runtime/grpc_frontend.py`), but a replica's own port is open on every
interface. Serve takes the options of that server from a list of its module.
"""

from ray.serve._private.constants import DEFAULT_GRPC_SERVER_OPTIONS

from windvane.cluster.runtime.haproxy_queue import LARGEST_BODY, SPARE_BYTES

LARGEST_REPLY = 64 * 2**20  # explanations of many rows


def limit_messages(most_body_bytes: int = LARGEST_BODY) -> None:
    """Have this process's gRPC server, which Serve starts after the app, read no larger and no compressed message.

    One of somewhat more is read, so that the model says in its own words what it may have.
    """
    DEFAULT_GRPC_SERVER_OPTIONS[:] = [
        ("grpc.max_send_message_length", LARGEST_REPLY),
        ("grpc.max_receive_message_length", most_body_bytes + SPARE_BYTES),
        ("grpc.compression_enabled_algorithms_bitset", 1),  # of "identity", which is none
    ]
