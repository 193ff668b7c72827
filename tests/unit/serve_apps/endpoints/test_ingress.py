import asyncio
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.gateway.world import Reply, call
from windvane.cluster.clock import Clock
from windvane.cluster.errors import Unavailable, WindvaneError
from windvane.cluster.runtime import haproxy
from windvane.serve_apps.endpoints import ingress
from windvane.serve_apps.endpoints.http_request import Headers
from windvane.serve_apps.endpoints.ingress import Ingress, LocalReplica
from windvane.serve_apps.pipeline.admission import FIRST_PACE, Admission
from windvane.serve_apps.protocol.problem import Response
from windvane.serve_apps.serve_hooks import UNWATCHED

NOW = 1_700_000_000.0
DECIDE, INFER, OUTCOMES = (f"/v2/models/trips/{verb}" for verb in ("decide", "versions/3/infer", "outcomes"))


class HttpApp:
    """Ours: remembers who came, answers 202 when told to, or not at all when nobody is there any more."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.headers: Headers = {}
        self.held: asyncio.Event | None = None
        self.fails: Exception | None = None
        self.deserted = False
        self.sheds: list[str] = []  # titles

    async def answer(self, scope: Any, headers: Headers, receive: Any) -> Response | None:
        self.paths.append(scope["path"])
        self.headers = headers
        if self.held is not None:
            await self.held.wait()
        if self.fails:
            raise self.fails
        return None if self.deserted else Response(202, b"done", ((b"content-type", b"text/plain"),))

    def shed(self, error: WindvaneError) -> None:
        self.sheds.append(error.title)


class App:
    """Serve's own way, behind the ingress too: remembers who came, answers 204."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.fails: Exception | None = None
        self.begins = False  # to answer before it fails

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        self.headers = scope["headers"]
        if self.fails and not self.begins:
            raise self.fails
        await send({"type": "http.response.start", "status": 204, "headers": []})
        if self.fails:
            raise self.fails
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def full() -> Admission:
    """An admission with a second of work before whoever comes."""
    admission = Admission(0.05, 1_000_000, lambda: 0.0)
    admission.admit(100_000, arrived=0.0, now=0.0)
    return admission


def ask(
    app: App,
    admission: Admission | None,
    path: str = DECIDE,
    endpoint: HttpApp | None = None,
    at_home: bool = True,
    ticks: Callable[[], float] = lambda: 0.0,
    **sent: str,
) -> Reply:
    """One request through the ingress; without `at_home` the endpoint lives on another loop than the server."""

    async def scenario() -> Reply:
        loop = asyncio.get_running_loop() if at_home else elsewhere
        local = [] if admission is None else [LocalReplica(admission, endpoint or HttpApp(), loop)]
        ingress = Ingress(app, local, Clock(lambda: NOW, ticks))
        return await call(
            ingress, "POST", path, [b"{}"], {name.replace("_", "-"): value for name, value in sent.items()}
        )

    elsewhere = asyncio.new_event_loop()
    try:
        return asyncio.run(scenario())
    finally:
        elsewhere.close()


@pytest.mark.parametrize("path", [DECIDE, INFER, OUTCOMES])
def test_what_a_model_is_deployed_for_is_answered_by_its_own_endpoint(path: str) -> None:
    app, endpoint = App(), HttpApp()
    reply = ask(app, Admission(0.05, 4096), path, endpoint)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (202, b"done", "text/plain")
    assert reply.headers["content-length"] == "4"
    assert (endpoint.paths, app.paths) == ([path], [])


@pytest.mark.parametrize("path", ["/-/healthz", "/-/routes", "/v2/models/trips", "/v2/models/trips/ready"])
def test_the_rest_goes_through_serve_so_that_its_health_checks_are_its_own(path: str) -> None:
    app, endpoint = App(), HttpApp()
    assert ask(app, Admission(0.05, 4096), path, endpoint).status == 204
    assert (endpoint.paths, app.paths) == ([], [path])


@pytest.mark.parametrize("path", [DECIDE, INFER, OUTCOMES])
def test_a_endpoint_on_another_loop_is_reached_through_serve(path: str) -> None:
    app, endpoint, admission = App(), HttpApp(), Admission(0.05, 4096)
    assert ask(app, admission, path, endpoint, at_home=False).status == 204
    assert (endpoint.paths, app.paths) == ([], [path])
    assert UNWATCHED in app.headers  # the endpoint sees to clients that hang up, so Serve need not
    assert not admission.is_busy


def test_a_socket_that_is_no_request_is_left_to_serve() -> None:
    app, endpoint = App(), HttpApp()

    async def scenario() -> None:
        ingress = Ingress(app, [LocalReplica(Admission(0.05, 4096), endpoint, asyncio.get_running_loop())])

        async def ignore(*_: Any) -> Any: ...

        await ingress({"type": "websocket", "path": DECIDE, "headers": []}, ignore, ignore)

    asyncio.run(scenario())
    assert (endpoint.paths, app.paths) == ([], [DECIDE])


def test_the_endpoint_watches_for_clients_that_hang_up() -> None:
    endpoint = HttpApp()
    ask(App(), Admission(0.05, 4096), endpoint=endpoint)
    assert endpoint.headers[UNWATCHED[0]] == UNWATCHED[1]


def test_a_reply_has_the_requests_id_or_one_of_its_own(full: Admission) -> None:
    for admission in (Admission(0.05, 4096), full):  # answered, refused
        assert ask(App(), admission, x_request_id="r-1").headers["x-request-id"] == "r-1"
        assert len(ask(App(), admission).headers["x-request-id"]) == 32


def test_a_client_that_is_gone_gets_nothing_and_teaches_nothing(full: Admission) -> None:
    endpoint = HttpApp()
    endpoint.deserted = True
    before, seconds = full.correction, count(0.0, 0.5).__next__
    assert ask(App(), full, endpoint=endpoint, ticks=seconds, x_request_timeout_seconds="10").status == 0
    assert (full.correction, full.inside) == (before, 0)
    ask(App(), full, ticks=seconds, x_request_timeout_seconds="10")
    assert full.correction != before  # an answer does


def test_what_would_be_late_is_refused_unread_with_when_to_come_again(full: Admission) -> None:
    app, endpoint = App(), HttpApp()
    refused = ask(app, full, endpoint=endpoint)
    assert (refused.status, refused.headers["retry-after"]) == (429, "2")
    assert refused.headers["content-length"] == str(len(refused.body))
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json["type"] == "urn:windvane:problem:overloaded"
    assert refused.json["instance"] == DECIDE
    assert app.paths == endpoint.paths == []
    assert endpoint.sheds == ["Overloaded"]


def test_the_protocol_is_refused_in_its_own_words(full: Admission) -> None:
    refused = ask(App(), full, INFER)
    assert (refused.status, refused.headers["retry-after"]) == (429, "2")
    assert list(refused.json) == ["error"]


def test_more_time_is_given_to_who_asks_for_it_and_nonsense_is_left_to_the_endpoint(full: Admission) -> None:
    assert ask(App(), full, x_request_timeout_seconds="10").status == 202
    assert ask(App(), full, x_request_timeout_seconds="0.5").status == 429
    roomy = Admission(0.05, 4096)
    roomy.admit(1, arrived=0.0, now=0.0)
    assert ask(App(), roomy, x_request_timeout_seconds="never").status == 202


def test_who_waited_in_haproxy_has_less_time_left(full: Admission) -> None:
    def arrived(seconds_ago: float) -> str:
        return str(round((NOW - seconds_ago) * 1e6))

    needed = full.enter(budget=60.0) / full.headroom
    full.leave()
    for seconds, status in ((needed + 0.4, 429), (needed + 0.6, 202)):
        reply = ask(App(), full, x_request_timeout_seconds=str(seconds), x_windvane_arrived=arrived(0.5))
        assert reply.status == status


def test_only_what_costs_work_is_refused(full: Admission) -> None:
    assert ask(App(), full, OUTCOMES).status == 202
    for path in ("/v2/models/trips", "/v2/models/trips/ready", "/-/healthz"):
        assert ask(App(), full, path).status == 204


def test_where_no_replica_is_guarded_everything_goes_through() -> None:
    assert ask(App(), None).status == 204


def test_who_is_inside_counts_until_it_leaves_whatever_becomes_of_it() -> None:
    async def scenario() -> None:
        admission, endpoint = Admission(0.05, 4096, lambda: 0.0), HttpApp()
        endpoint.held = asyncio.Event()
        replica = LocalReplica(admission, endpoint, asyncio.get_running_loop())
        ingress = Ingress(App(), [replica], Clock(ticks=lambda: 0.0))
        waiting = [asyncio.ensure_future(call(ingress, "POST", DECIDE, [b"{}"], {})) for _ in range(1000)]
        for _ in range(5):
            await asyncio.sleep(0)
        inside = len(endpoint.paths)
        assert inside == pytest.approx(admission.headroom * 0.05 / (17 * FIRST_PACE), abs=2)
        assert [each.result().status for each in waiting if each.done()] == [429] * (1000 - inside)
        assert replica.ongoing == inside  # who was refused is no reason for another replica
        outcome = asyncio.ensure_future(call(ingress, "POST", OUTCOMES, [b"{}"], {}))
        await asyncio.sleep(0)
        assert replica.ongoing == inside + 1
        waiting[0].cancel()
        endpoint.fails = RuntimeError("it broke")
        endpoint.held.set()
        await asyncio.gather(*waiting, outcome, return_exceptions=True)
        assert not admission.is_busy
        assert replica.ongoing == 0

    asyncio.run(scenario())


def test_ray_gets_one_middleware_that_follows_the_replica_of_its_process() -> None:
    async def scenario() -> None:
        [middleware] = ingress.middlewares()
        front = middleware.cls(App(), *middleware.args, **middleware.kwargs)

        async def status() -> int:
            return (await call(front, "POST", DECIDE, [b"{}"], {})).status

        replica = LocalReplica(Admission(0.05, 4096), HttpApp(), asyncio.get_running_loop())
        assert await status() == 204
        ingress.guard(replica)
        try:
            assert await status() == 202
        finally:
            ingress.leave(replica)
        assert await status() == 204

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("asked_on", "sentence"),
    [
        ("nowhere", "did not ask this replica's process for RAY_SERVE_HTTP"),
        ("another loop", "on another event loop than"),
    ],
)
def test_a_replica_that_requests_reach_through_serve_alone_says_so(
    monkeypatch: pytest.MonkeyPatch, asked_on: str, sentence: str
) -> None:
    """It would answer, slowly and as many at a time as come."""
    monkeypatch.setattr(ingress, "asked_on", [])

    async def asked() -> None:
        ingress.middlewares()

    async def scenario() -> None:
        replica = LocalReplica(Admission(0.05, 4096), HttpApp(), asyncio.get_running_loop())
        with pytest.raises(Unavailable, match=f"{sentence}.*see docs/upgrading-ray.md"):
            ingress.demand_in_front(replica)
        await asked()
        ingress.demand_in_front(replica)

    if asked_on == "another loop":
        asyncio.run(asked())
    asyncio.run(scenario())


def test_the_callback_is_where_ray_is_told_to_find_it() -> None:
    told = haproxy.environment(Path("run"), 8000)["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"]
    module, name = told.split(":")
    assert (module, getattr(ingress, name)) == (ingress.__name__, ingress.middlewares)


def test_refusals_are_json_that_a_client_can_read(full: Admission) -> None:
    for path in (DECIDE, INFER):
        assert json.loads(ask(App(), full, path).body)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (DECIDE, "application/problem+json"),
        ("/v2/models/trips/outcomes", "application/problem+json"),
        ("/api/status", "application/problem+json"),
        (INFER, "application/json"),
        ("/v2/models/trips/ready", "application/json"),
    ],
)
@pytest.mark.parametrize("guarded", [True, False])
def test_a_header_that_ray_cannot_read_is_the_callers_fault(path: str, kind: str, guarded: bool) -> None:
    """Ray Serve decodes x-request-id and others as UTF-8 before any of our code runs, and answered 500 for \\xff."""
    app = App()
    app.fails = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    refused = ask(app, Admission(0.05, 4096) if guarded else None, path, at_home=False)
    assert (refused.status, refused.headers["content-type"]) == (400, kind)


def test_a_fault_while_answering_stays_one() -> None:
    app = App()
    app.fails = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    app.begins = True
    with pytest.raises(UnicodeDecodeError):
        ask(app, None, "/api/status")
