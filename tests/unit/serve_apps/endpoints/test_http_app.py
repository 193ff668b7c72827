import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.callers.keys import BOSS, SECRET
from tests.worlds.gateway.world import (
    BODY,
    DECIDE,
    FEATURES,
    MODEL,
    NOW,
    OUTCOMES,
    READY,
    World,
    asked,
    call,
    canary,
    champion,
    gateway,
    settled,
)
from windvane.cluster.decision_log.record import Outcome
from windvane.serve_apps.endpoints import disconnects
from windvane.serve_apps.pipeline.decision_id import fixed
from windvane.serve_apps.serve_hooks import UNWATCHED
from windvane.serve_apps.traffic.router import bucket
from windvane.serve_apps.versions.loaded_version import LoadedVersion


def test_a_decision_comes_back_in_the_promised_shape(endpoint: World) -> None:
    reply = endpoint.ask(DECIDE, asked(explain=True), content_type="application/json")
    assert reply.status == 200
    assert reply.headers == {"content-type": "application/json", "content-length": str(len(reply.body))}
    decided = reply.json
    assert list(decided) == ["decision_id", "model", "version", "arm", "prediction", "decision", "explanation"]
    assert (decided["model"], decided["version"], decided["arm"]) == ("trips", 1, "champion")
    assert 0.0 < decided["prediction"] < 1.0
    assert list(decided["decision"]) == ["action", "reasons"]
    assert {each["feature"] for each in decided["explanation"]["top_features"]} == set(FEATURES)


def test_instances_are_answered_in_their_order(endpoint: World) -> None:
    hot = asked("b") | {"features": FEATURES | {"distance": 1.0}}
    decisions = endpoint.ask(DECIDE, {"instances": [asked("a"), hot, asked("c")]}).json["decisions"]
    assert len(decisions) == 3
    assert decisions[0]["prediction"] == decisions[2]["prediction"] != decisions[1]["prediction"]


def test_outcomes_are_logged_before_they_are_accepted(endpoint: World) -> None:
    outcome = {"decision_id": fixed("trips", "tester", "x"), "label": True, "kpis": {"cost": 2}}
    before = len(endpoint.outcomes)
    assert endpoint.ask(OUTCOMES, outcome).json == {"accepted": 1}
    assert endpoint.ask(OUTCOMES, {"outcomes": [outcome, outcome]}).json == {"accepted": 2}
    assert (
        endpoint.outcomes[before:] == [Outcome(fixed("trips", "tester", "x"), NOW, True, {"cost": 2.0}, "tester")] * 3
    )
    endpoint.log.refusal = "the disk is full"
    try:
        refused = endpoint.ask(OUTCOMES, outcome)
    finally:
        endpoint.log.refusal = None
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("path", [MODEL, MODEL + "/"])
def test_metadata_has_the_shape_of_the_open_inference_protocol(endpoint: World, path: str) -> None:
    found = endpoint.ask(path, method="GET").json
    assert (found["name"], found["versions"], found["platform"]) == ("trips", ["1", "2"], "onnxruntime_onnx")
    kinds = {each["name"]: each["datatype"] for each in found["inputs"]}
    assert kinds == {"temp": "FP64", "distance": "FP64", "stops": "INT64", "night": "BOOL", "origin": "BYTES"}
    assert found["inputs"][0]["parameters"] == {
        "type": "number",
        "required": False,
        "unit": "C",
        "min": -60.0,
        "max": 60.0,
        "missing": True,
    }
    outputs = {each["name"]: each["shape"] for each in found["outputs"]}
    vector = [-1]
    assert outputs == {
        "prediction": vector,
        "action": vector,
        "decision_id": vector,
        "explanation": [-1, 6],
        "version": vector,
        "grounds": vector,
    }
    assert all(isinstance(text, str) for text in found["properties"].values())


def test_a_replica_is_ready_when_a_split_is_in_force(versions: dict[int, LoadedVersion], home: Path) -> None:
    with gateway(versions, None, home) as world:
        for reply in (world.ask(READY, method="GET"), world.ask(DECIDE, asked())):
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        world.take(champion())
        assert world.ask(READY, method="GET").json == {"ready": True}


def test_errors_are_problem_details(endpoint: World) -> None:
    reply = endpoint.ask(DECIDE, {"instances": [asked() | {"features": FEATURES | {"temp": "x"}}]})
    assert reply.status == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json == {
        "type": "urn:windvane:problem:invalid-request",
        "title": "Invalid request",
        "status": 422,
        "detail": "1 field is wrong",
        "instance": DECIDE,
        "errors": [{"pointer": "/instances/0/features/temp", "detail": "must be a number, not text"}],
    }
    assert endpoint.counts.refusals[-1] == (("temp", "type"),)


def test_one_bad_instance_is_answered_with_its_problem_and_the_others_with_decisions(endpoint: World) -> None:
    before, bad = len(endpoint.decisions), asked("b") | {"features": FEATURES | {"temp": 400}}
    reply = endpoint.ask(DECIDE, {"instances": [*[asked(f"a{place}") for place in range(9)], bad]})
    assert (reply.status, reply.json["refused"]) == (200, 1)
    decided = [each["decision_id"] for each in reply.json["decisions"][:9]]
    assert [decision.decision_id for decision in endpoint.decisions[before:]] == decided
    problem = reply.json["decisions"][9]["problem"]
    assert (problem["status"], problem["errors"][0]["pointer"]) == (422, "/instances/9/features/temp")
    assert endpoint.counts.refusals[-1] == (("temp", "range"),)


def test_a_category_that_was_never_declared_is_answered_with_a_warning_and_counted(endpoint: World) -> None:
    reply = endpoint.ask(DECIDE, asked() | {"features": FEATURES | {"origin": "Atlantis"}})
    assert reply.status == 200
    assert [each["pointer"] for each in reply.json["warnings"]] == ["/features/origin"]
    assert endpoint.counts.warnings[-1] == (("origin", "unknown_category"),)
    assert "warnings" not in endpoint.ask(DECIDE, asked()).json


def test_one_bad_outcome_does_not_keep_the_others_from_the_log(endpoint: World) -> None:
    good = {"decision_id": endpoint.ask(DECIDE, asked()).json["decision_id"], "label": 1}
    reply = endpoint.ask(OUTCOMES, {"outcomes": [good, {"decision_id": "never", "label": 1}]})
    assert (reply.status, reply.json["accepted"], reply.json["refused"]) == (200, 1, 1)
    assert reply.pointers == ["/outcomes/1/decision_id"]
    assert endpoint.outcomes[-1].label is True
    assert endpoint.counts.refusals[-1] == (("decision_id", "unknown_id"),)


def test_what_only_looks_is_not_counted_as_refused(endpoint: World) -> None:
    before = len(endpoint.counts.refusals)
    assert endpoint.ask("/nowhere", method="GET").status == 404
    assert len(endpoint.counts.refusals) == before
    assert endpoint.ask(DECIDE, b"{").status == 400
    assert endpoint.counts.refusals[before:] == [(("", "malformed_request"),)]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", DECIDE, 405, "POST, OPTIONS"),
        ("PUT", OUTCOMES, 405, "POST, OPTIONS"),
        ("POST", READY, 405, "GET, HEAD, OPTIONS"),
        ("DELETE", MODEL, 405, "GET, HEAD, OPTIONS"),
        ("POST", MODEL + "/decide/", 404, None),
        ("POST", "/v2/models/trips-2/decide", 404, None),
        ("GET", "/", 404, None),
    ],
)
def test_other_paths_and_methods_are_named_as_such(
    endpoint: World, method: str, path: str, status: int, allow: str | None
) -> None:
    reply = endpoint.ask(path, asked(), method)
    assert (reply.status, reply.headers.get("allow")) == (status, allow)
    if path in (DECIDE, OUTCOMES):
        assert reply.json["status"] == status
    else:
        assert list(reply.json) == ["error"]


def test_head_is_get_without_its_body(endpoint: World) -> None:
    for path in (MODEL, f"{MODEL}/", READY, f"{MODEL}/versions/1", f"{MODEL}/versions/1/ready"):
        whole, head = endpoint.ask(path, method="GET"), endpoint.ask(path, method="HEAD")
        assert (head.status, head.body, head.headers) == (200, b"", whole.headers)
        assert int(head.headers["content-length"]) == len(whole.body) > 0
    assert endpoint.ask("/v2/models/trips/versions/7/ready", method="HEAD").status == 404
    assert endpoint.ask(DECIDE, method="HEAD").headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(("path", "allow"), [(MODEL, "GET, HEAD, OPTIONS"), (DECIDE, "POST, OPTIONS")])
def test_options_says_what_a_path_answers(endpoint: World, path: str, allow: str) -> None:
    reply = endpoint.ask(path, method="OPTIONS")
    assert (reply.status, reply.headers["allow"], reply.body) == (204, allow, b"")
    assert endpoint.ask("/nowhere", method="OPTIONS").status == 404


def test_only_owners_may_ask_for_a_version(endpoint: World) -> None:
    owner = BOSS["authorization"]
    reply = endpoint.ask(DECIDE, asked(), x_windvane_version="2", authorization=owner)
    assert (reply.status, reply.json["version"], reply.json["arm"]) == (200, 2, "override")
    for authorization in ("", "Bearer wrong", SECRET, "Basic " + SECRET, "Bearer \xff"):
        reply = endpoint.ask(DECIDE, asked(), x_windvane_version="2", authorization=authorization)
        assert reply.status == 401
        assert "version" not in reply.json
    reply = endpoint.ask(DECIDE, asked(), x_windvane_version="2")
    assert (reply.status, reply.json["detail"]) == (403, "x-windvane-version is for the owners of trips: leave it out")
    reply = endpoint.ask(DECIDE, asked(), x_windvane_version="7", authorization=owner)
    assert reply.status == 404
    assert "loaded are 1, 2" in reply.json["detail"]
    for version in ("two", "-1", "0", "", "1" * 5000, "²", "0" * 11 + "1" + "9" * 5000, "0" * 11 + "1" + "9" * 10):
        assert endpoint.ask(DECIDE, asked(), x_windvane_version=version, authorization=owner).status == 422


def test_too_many_waiting_rows_are_told_when_to_come_again(versions: dict[int, LoadedVersion], home: Path) -> None:
    with gateway(versions, champion(), home) as world:

        async def scenario() -> None:
            world.log.holding = True
            waiting = [asyncio.ensure_future(world.send(DECIDE, asked())) for _ in range(64)]
            while len(world.decisions) < 64:
                await asyncio.sleep(0)
            reply = await world.send(DECIDE, asked())
            assert (reply.status, reply.headers["retry-after"]) == (429, "1")
            assert reply.json["title"] == "Overloaded"
            world.log.release()
            assert [each.status for each in await asyncio.gather(*waiting)] == [200] * 64

        world.run(scenario())


def test_an_id_used_for_something_else_is_a_conflict(endpoint: World) -> None:
    first = endpoint.ask(DECIDE, asked(id="k"))
    assert endpoint.ask(DECIDE, asked(id="k")).body == first.body
    assert first.json["decision_id"] == fixed("trips", "tester", "k")
    assert endpoint.ask(DECIDE, asked("another", id="k")).status == 409


def test_a_fault_of_ours_is_a_500_that_tells_nothing(
    endpoint: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, redacted_logs: None
) -> None:
    secret = "N725MQ"

    def burst(*_: object, **__: object) -> None:
        raise ZeroDivisionError(secret)

    monkeypatch.setattr(endpoint.decider, "decide", burst)
    reply = endpoint.ask(DECIDE, asked())
    assert reply.status == 500
    assert "send it once more" in reply.json["detail"]
    assert "POST /v2/models/trips/decide was not answered" in caplog.text
    assert "in burst\n" in caplog.text
    assert secret not in reply.body.decode() + caplog.text


def test_the_lifespan_starts_and_stops_the_replica(endpoint: World) -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    endpoint.run(endpoint.http_app({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert endpoint.hooks == ["start", "stop"]


def test_a_websocket_is_closed(endpoint: World) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    endpoint.run(endpoint.http_app({"type": "websocket", "path": DECIDE, "headers": []}, receive, send))
    assert sent == ["websocket.close"]


def test_a_canary_takes_its_share_over_http(versions: dict[int, LoadedVersion], home: Path) -> None:
    with gateway(versions, canary(weight=0.5), home) as world:
        arms = {subject: world.ask(DECIDE, asked(subject)).json["arm"] for subject in map(str, range(60))}
        expected = {subject: "candidate" if bucket("salt", subject) < 1 << 31 else "champion" for subject in arms}
        assert arms == expected


def test_a_client_that_leaves_while_it_waits_is_let_go_of_when_the_server_does_not_watch(
    versions: dict[int, LoadedVersion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disconnects, "PATIENCE_SECONDS", 0.0)
    with gateway(versions, champion(), tmp_path) as world:
        world.log.holding = True
        body = json.dumps(asked()).encode()
        sent: list[Any] = []
        gone = asyncio.Event()
        messages = [{"type": "http.request", "body": body}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        async def scenario() -> None:
            scope = {"type": "http", "method": "POST", "path": DECIDE, "headers": [UNWATCHED]}
            asking = asyncio.ensure_future(world.http_app(scope, receive, send))
            await settled(lambda: bool(world.log.records))
            gone.set()
            await settled(asking.done)
            assert asking.cancelled()
            world.log.release()

        world.run(scenario())
        assert sent == []


@pytest.mark.parametrize(("path", "body"), [(DECIDE, BODY), ("/v2/models/trips/infer", b"")])
def test_the_time_in_haproxys_queue_is_the_callers_too(endpoint: World, path: str, body: bytes) -> None:
    body = body or json.dumps({"inputs": [tensor(name, value) for name, value in FEATURES.items()]}).encode()
    sent = {b"x-windvane-arrived": b"%d" % round((NOW - 0.25) * 1e6), b"content-type": b"application/json"}

    def post(headers: dict[bytes, bytes]) -> int:
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return messages.pop()

        async def scenario() -> int:
            response = await endpoint.http_app.answer({"method": "POST", "path": path, "headers": []}, headers, receive)
            assert response is not None
            return response.status

        return endpoint.run(scenario())

    assert post(sent) == 200
    endpoint.run(asyncio.sleep(0))  # counted off the path
    assert endpoint.counts.latencies_ms[-1] == pytest.approx(250.0, abs=0.1)
    assert post(sent | {b"x-request-timeout-seconds": b"0.2"}) == 504
    assert post(sent | {b"x-request-timeout-seconds": b"0.3"}) == 200
    headers = {name.decode(): value.decode() for name, value in sent.items()}
    # Not by the ingress: anybody can say that.
    reply = endpoint.run(call(endpoint.http_app, "POST", path, [body], headers))
    assert reply.status == 200
    endpoint.run(asyncio.sleep(0))
    assert endpoint.counts.latencies_ms[-1] == 0.0


def tensor(name: str, value: Any) -> dict[str, Any]:
    """One value as the protocol has it."""
    datatypes = {float: "FP64", int: "INT64", bool: "BOOL", str: "BYTES"}
    return {"name": name, "shape": [1], "datatype": datatypes[type(value)], "data": [value]}
