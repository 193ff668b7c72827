"""The real HAProxy before the ingress: no request whose body does not come holds a place in the replica.

HAProxy counts a request as one in the replica until its sender is done, also when it was answered, and lets no more
than `maxconn` in: 32 senders that trickled kept everybody else out, without a key as well.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
import uvicorn

from tests.worlds import running_haproxy
from tests.worlds.running_haproxy import Ports
from windvane.cluster.errors import Unauthorized, WindvaneError
from windvane.cluster.runtime.haproxy_queue import Queue
from windvane.serve_apps.endpoints import http_request
from windvane.serve_apps.endpoints.http_request import ClientGone, Headers, Receive, Scope, read_body
from windvane.serve_apps.endpoints.ingress import Ingress, LocalReplica
from windvane.serve_apps.pipeline.admission import Admission
from windvane.serve_apps.protocol.problem import MethodNotAllowed, Response, problem

PLACES = 4
PATIENCE_SECONDS = 20.0
KEY = b"authorization: Bearer good\r\n"
DECIDE, READY = b"POST /v2/models/trips/decide", b"POST /v2/models/trips/ready"
LENGTH, CHUNKED = b"content-length: 200000\r\n", b"transfer-encoding: chunked\r\n"


class HttpApp:
    """Answers who has a key, once the body was read; anybody else unread."""

    async def answer(self, scope: Scope, headers: Headers, receive: Receive) -> Response | None:
        try:
            if b"authorization" not in headers:
                raise Unauthorized("No key was sent")
            await read_body(headers, receive, 1_000_000)
        except ClientGone:
            return None
        except WindvaneError as error:
            return problem(error, scope["path"])
        return Response(200, b"", ())

    def shed(self, error: WindvaneError) -> None:
        raise error


async def serves_way(scope: Any, receive: Any, send: Any) -> None:
    """What does not go past Serve: HAProxy's looks, and methods that no path has, which are answered unread."""
    error = MethodNotAllowed("POST is not answered here; use GET", "GET")
    response = Response(200, b"", ()) if scope["method"] == "GET" else problem(error, scope["path"])
    sent = [*response.headers, (b"content-length", b"%d" % len(response.body))]
    await send({"type": "http.response.start", "status": response.status, "headers": sent})
    await send({"type": "http.response.body", "body": response.body})


@contextmanager
def replica() -> Iterator[int]:
    """The port of a uvicorn with the ingress, on an event loop of its own."""
    loop = asyncio.new_event_loop()
    app = Ingress(serves_way, [LocalReplica(Admission(60.0, 1_000_000), HttpApp(), loop)])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve([listener])))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    with pytest.MonkeyPatch.context() as patch, replica() as port:
        patch.setattr(http_request, "SLOWEST_BODY_SECONDS", 0.5)
        with running_haproxy.before(port, queue=Queue(PLACES, 200)) as ports:
            yield ports


def ask(ports: Ports, request: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", ports.http), PATIENCE_SECONDS)
    client.sendall(request)
    return client


def status(client: socket.socket) -> int:
    return int(client.recv(4096).split()[1])


def decided(ports: Ports) -> int:
    with closing(ask(ports, DECIDE + b" HTTP/1.1\r\nHost: x\r\n" + KEY + b"content-length: 2\r\n\r\n{}")) as client:
        return status(client)


@contextmanager
def trickling(clients: list[socket.socket], part: bytes) -> Iterator[None]:
    """Each sends a little from time to time for as long as the block runs and it is not hung up on."""
    over = threading.Event()

    def trickle() -> None:
        left = list(clients)
        while not over.wait(0.05):
            for client in list(left):
                try:
                    client.send(part)
                except OSError:
                    left.remove(client)

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def until(true: Callable[[], bool]) -> bool:
    """Whether it becomes true while this test has patience."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        if true():
            return True
    return False


@pytest.mark.parametrize(
    ("line", "headers", "refused"),
    [
        (DECIDE, KEY + LENGTH, 408),
        (DECIDE, KEY + CHUNKED, 408),
        (DECIDE, LENGTH, 401),
        (DECIDE, CHUNKED, 401),
        (DECIDE, b"x: " + b"y" * 13_000 + b"\r\ncontent-length: 9000\r\n", 401),
        (READY, LENGTH, 405),
        (READY, CHUNKED, 405),
        (DECIDE, KEY + b"content-length: 2000000\r\n", 413),
    ],
)
def test_a_body_that_trickles_holds_its_place_no_longer_than_its_answer_takes(
    ports: Ports, line: bytes, headers: bytes, refused: int
) -> None:
    chunked = CHUNKED in headers
    begun = (b"4e20\r\n" if chunked else b"") + b" " * (20_000 if LENGTH in headers or chunked else 4_000)
    begun += (b"\r\n" if chunked else b"") + b" " * 12_000 * (b"2000000" in headers)
    with ExitStack() as leaving:
        clients = []
        for _ in range(PLACES):
            client = ask(ports, line + b" HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n" + begun)
            clients.append(leaving.enter_context(closing(client)))
        with trickling(clients, b"1\r\n \r\n" if chunked else b" "):
            assert until(lambda: decided(ports) == 200)
            assert [status(client) for client in clients] == [refused] * PLACES


def test_a_large_body_that_comes_is_read_and_its_connection_goes_on(ports: Ports) -> None:
    whole = DECIDE + b" HTTP/1.1\r\nHost: x\r\n" + KEY + LENGTH + b"\r\n" + b" " * 200_000
    client = ask(ports, whole)
    with closing(client):
        assert status(client) == 200
        client.sendall(whole)
        assert status(client) == 200


def test_who_sends_a_large_request_without_a_key_at_once_reads_why_it_was_refused(ports: Ports) -> None:
    """The connection behind HAProxy ends with the answer, while more of the body may be on its way."""
    for _ in range(50):
        client = ask(ports, DECIDE + b" HTTP/1.1\r\nHost: x\r\n" + LENGTH + b"\r\n" + b" " * 200_000)
        with closing(client):
            assert status(client) == 401
