"""Our frontend in Ray's HAProxy: what is written, and that the real one takes it beside Ray's part."""

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.worlds import running_haproxy
from tests.worlds.rays_haproxy import APPLICATIONS, DEPLOYED, golden, lay
from windvane.cluster.runtime import grpc_frontend, haproxy, haproxy_program, haproxy_queue
from windvane.cluster.runtime.haproxy_queue import Queue
from windvane.configs.load import load_settings
from windvane.configs.schema import Serving
from windvane.configs.settings import Settings

MOST_BYTES = 3_000_000


def settings(**variables: str) -> Settings:
    return load_settings({"WINDVANE_HOME": "/h", "WINDVANE_PORT": "8123", **variables})


@pytest.mark.parametrize(
    ("host", "bound"),
    [
        ("127.0.0.1", "bind 127.0.0.1:9123 "),
        ("0.0.0.0", "bind *:9123 "),
        ("::", "bind *:9123 "),
        ("::1", "bind ::1:9123 "),
    ],
)
def test_it_listens_where_http_does_on_a_port_of_its_own(tmp_path: Path, host: str, bound: str) -> None:
    grpc_frontend.write(tmp_path / "h", settings(WINDVANE_HOST=host), "control")
    assert bound in (tmp_path / "h" / "grpc.cfg").read_text()


@pytest.mark.parametrize("state", APPLICATIONS)
def test_rays_haproxy_takes_it_beside_rays_own_configuration(tmp_path: Path, state: str) -> None:
    rays = tmp_path / "it's rays.cfg"
    lay(state, rays)
    folder = tmp_path / "a folder"
    grpc_frontend.write(folder, settings(), "control")
    haproxy_queue.declare(folder, "trips", Queue(80, 20))
    words = [str(grpc_frontend.program(folder)), "-c", "-f", str(rays)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr.count("ALERT")) == (0, 0), done.stderr
    assert ("maxconn 80" in rays.read_text()) is (state == DEPLOYED)


def test_a_refusal_of_another_start_is_forgotten(tmp_path: Path) -> None:
    folder = haproxy.config_path(tmp_path).parent
    folder.mkdir()
    (folder / haproxy_program.REFUSAL).write_text("HAProxy is not started")
    grpc_frontend.write(folder, settings(), "control")
    haproxy.demand_started(tmp_path)


def test_rays_own_frontend_keeps_out_of_the_way_except_in_a_cluster_that_is_not_ours() -> None:
    assert grpc_frontend.rays_port(settings()) == 9325
    assert grpc_frontend.rays_port(settings(RAY_ADDRESS="10.0.0.7:6379")) == 9123


def test_two_windvanes_of_one_user_share_no_port_of_their_replicas(tmp_path: Path) -> None:
    """They listen with SO_REUSEPORT, so that each would get requests of the other."""
    ports: list[int] = []
    for port in (8000, 8001, 18000, 28000, 28400):
        chosen = haproxy.environment(tmp_path, port)
        first, last = (int(chosen[f"RAY_SERVE_DIRECT_INGRESS_{end}_GRPC_PORT"]) for end in ("MIN", "MAX"))
        ports += range(first, last + 1)
    assert len(set(ports)) == 500
    assert max(ports) < 65_536


class Echo(grpc.GenericRpcHandler):
    """Answers every call with the number of bytes that were sent."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def service(self, _: object) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, message: bytes, _: object) -> bytes:
        if message:  # HAProxy looks after its servers by empty ones
            self.seen.append(len(message))
        return b"%d" % len(message)


@dataclass(frozen=True)
class Model:
    """A gRPC server behind the frontend; `infer` sends it a message through there."""

    seen: list[int]
    infer: Callable[..., bytes]
    live: Callable[..., bytes]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    """The model `trips` with a limit of 3 MB."""
    echo = Echo()
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((echo,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sending = [("grpc.max_send_message_length", -1)]
    with (
        running_haproxy.before(replica_grpc=port, queue=Queue(80, 20, MOST_BYTES)) as ports,
        grpc.insecure_channel(f"127.0.0.1:{ports.grpc}", options=sending) as channel,
    ):
        grpc.channel_ready_future(channel).result(30)
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        yield Model(echo.seen, partial(infer, timeout=30), partial(live, timeout=30))
    server.stop(None)


def message(size: int) -> bytes:
    """A message of that many bytes about `trips`."""
    return b"\x0a\x05trips" + b"\0" * (size - 7)


@pytest.mark.parametrize("size", [7, 300, 16_384, MOST_BYTES, MOST_BYTES + haproxy_queue.SPARE_BYTES])
def test_a_message_that_a_model_may_be_sent_reaches_it(model: Model, size: int) -> None:
    """One of a little more, too: the model says in its own words what it may have."""
    assert model.infer(message(size)) == b"%d" % size


@pytest.mark.parametrize("metadata", [(), (("application", "trips"),), (("application", "control"),)])
@pytest.mark.parametrize("more", [1, 60_000_000])
def test_a_larger_one_reaches_nobody(model: Model, metadata: tuple[tuple[str, str], ...], more: int) -> None:
    """64 MiB were read, unpacked and parsed before anybody was asked for a key."""
    before = list(model.seen)
    large = message(MOST_BYTES + haproxy_queue.SPARE_BYTES + more)
    with pytest.raises(grpc.RpcError) as refused:
        model.infer(large, metadata=metadata)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "The message is larger than any model here takes: send fewer rows at once"
    assert model.seen == before


@pytest.mark.parametrize("metadata", [(), (("application", "trips"),)])
def test_a_compressed_one_reaches_nobody(model: Model, metadata: tuple[tuple[str, str], ...]) -> None:
    """A thousandth of what it unpacks to is all that its sender pays."""
    before = list(model.seen)
    for ask in (model.infer, model.live):
        for size in (3_000, 3_000_000):
            with pytest.raises(grpc.RpcError) as refused:
                ask(message(size), metadata=metadata, compression=grpc.Compression.Gzip)
            assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
            assert refused.value.details() == "Compressed messages are not taken: send it uncompressed"
    assert model.seen == before


def test_the_largest_message_follows_the_models_that_are_routed_to() -> None:
    rays = golden(DEPLOYED)
    queues = {"trips": Queue(1, 1, 5_000_000), "gone": Queue(1, 1, 9_000_000)}
    assert haproxy_queue.largest_message(rays, queues) == 5_000_000 + haproxy_queue.SPARE_BYTES
    usual = haproxy_queue.LARGEST_BODY + haproxy_queue.SPARE_BYTES
    assert haproxy_queue.largest_message(rays, {"trips": Queue(1, 1, 1_000)}) == usual  # for what control answers
    assert haproxy_queue.largest_message(rays, {}) == usual


def test_a_model_that_declares_nothing_else_has_the_usual_size() -> None:
    assert Serving().max_body_bytes == haproxy_queue.LARGEST_BODY
