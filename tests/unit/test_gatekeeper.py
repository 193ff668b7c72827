import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from cluster import haproxy
from serve_apps import gatekeeper
from serve_apps.admission import FIRST_PACE, HEADROOM, Admission
from serve_apps.departures import UNWATCHED
from serve_apps.gatekeeper import Gatekeeper
from tests.gateway_world import Reply, call

DECIDE, INFER = "/v2/models/trips/decide", "/v2/models/trips/versions/3/infer"


class App:
    """What stands behind the gate: remembers who came, answers 204 when told to."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.held: asyncio.Event | None = None
        self.fails: Exception | None = None
        self.begins = False  # to answer before it fails

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        self.headers = scope["headers"]
        if self.held is not None:
            await self.held.wait()
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


def ask(app: App, admission: Admission | None, path: str = DECIDE, **headers: str) -> Reply:
    gate = Gatekeeper(app, [] if admission is None else [admission], lambda: 0.0)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(call(gate, "POST", path, [b"{}"], sent))


def test_what_there_is_time_for_goes_through() -> None:
    app = App()
    assert ask(app, Admission(0.05, 4096)).status == 204
    assert app.paths == [DECIDE]


def test_ray_is_asked_not_to_watch_the_client_where_our_door_does() -> None:
    app, admission = App(), Admission(0.05, 4096)
    ask(app, admission)
    assert UNWATCHED in app.headers
    ask(app, admission, "/v2/models/trips/outcomes")
    assert UNWATCHED not in app.headers


def test_what_would_be_late_is_refused_unread_with_when_to_come_again(full: Admission) -> None:
    app = App()
    refused = ask(app, full)
    assert (refused.status, refused.headers["retry-after"]) == (429, "2")
    assert refused.headers["content-length"] == str(len(refused.body))
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json["type"] == "urn:windvane:problem:overloaded"
    assert refused.json["instance"] == DECIDE
    assert app.paths == []


def test_the_protocol_is_refused_in_its_own_words(full: Admission) -> None:
    refused = ask(App(), full, INFER)
    assert (refused.status, refused.headers["retry-after"]) == (429, "2")
    assert list(refused.json) == ["error"]


def test_more_time_is_given_to_who_asks_for_it_and_nonsense_is_left_to_the_door(full: Admission) -> None:
    assert ask(App(), full, x_request_timeout_seconds="10").status == 204
    assert ask(App(), full, x_request_timeout_seconds="0.5").status == 429
    roomy = Admission(0.05, 4096)
    roomy.admit(1, arrived=0.0, now=0.0)
    assert ask(App(), roomy, x_request_timeout_seconds="never").status == 204


def test_only_what_costs_work_is_refused(full: Admission) -> None:
    for path in ("/v2/models/trips", "/v2/models/trips/ready", "/v2/models/trips/outcomes", "/-/healthz"):
        assert ask(App(), full, path).status == 204


def test_where_no_replica_is_guarded_everything_goes_through() -> None:
    assert ask(App(), None).status == 204


def test_who_is_inside_counts_until_it_leaves_whatever_becomes_of_it() -> None:
    async def scenario() -> None:
        admission, app = Admission(0.05, 4096, lambda: 0.0), App()
        app.held = asyncio.Event()
        gate = Gatekeeper(app, [admission], lambda: 0.0)
        waiting = [asyncio.ensure_future(call(gate, "POST", DECIDE, [b"{}"], {})) for _ in range(1000)]
        for _ in range(5):
            await asyncio.sleep(0)
        inside = len(app.paths)
        assert inside == pytest.approx(HEADROOM * 0.05 / (17 * FIRST_PACE), abs=2)
        assert [each.result().status for each in waiting if each.done()] == [429] * (1000 - inside)
        waiting[0].cancel()
        app.fails = RuntimeError("it broke")
        app.held.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not admission.is_busy

    asyncio.run(scenario())


def test_ray_gets_one_middleware_that_follows_the_replica_of_its_process() -> None:
    [middleware] = gatekeeper.middlewares()
    app = App()
    gate = middleware.cls(app, *middleware.args, **middleware.kwargs)
    admission = Admission(1e-9, 4096)
    admission.admit(1, arrived=0.0, now=0.0)

    def status() -> int:
        return asyncio.run(call(gate, "POST", DECIDE, [b"{}"], {})).status

    assert status() == 204
    gatekeeper.guard(admission)
    try:
        assert status() == 429
    finally:
        gatekeeper.leave(admission)
    assert status() == 204


def test_the_callback_is_where_ray_is_told_to_find_it() -> None:
    told = haproxy.environment(Path("run"), 8000)["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"]
    module, name = told.split(":")
    assert (module, getattr(gatekeeper, name)) == (gatekeeper.__name__, gatekeeper.middlewares)


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
    refused = ask(app, Admission(0.05, 4096) if guarded else None, path)
    assert (refused.status, refused.headers["content-type"]) == (400, kind)


def test_a_fault_while_answering_stays_one() -> None:
    app = App()
    app.fails = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    app.begins = True
    with pytest.raises(UnicodeDecodeError):
        ask(app, None, "/api/status")
