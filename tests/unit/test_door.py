import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.decision_log.record import Outcome
from serve_apps.decision_id import fixed
from serve_apps.departures import UNWATCHED
from serve_apps.router import bucket
from serve_apps.scorer import LoadedVersion
from tests.callers import BOSS, SECRET, key, knowing, limited
from tests.gateway_world import DECIDE, FEATURES, NOW, OUTCOMES, World, asked, call, canary, champion, gateway, settled

READY, MODEL = "/v2/models/trips/ready", "/v2/models/trips"
BODY = json.dumps(asked()).encode()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def door(versions: dict[int, LoadedVersion], home: Path) -> Iterator[World]:
    with gateway(versions, champion(warm=(2,)), home) as world:
        yield world


def test_a_decision_comes_back_in_the_promised_shape(door: World) -> None:
    reply = door.ask(DECIDE, asked(explain=True), content_type="application/json")
    assert reply.status == 200
    assert reply.headers == {"content-type": "application/json", "content-length": str(len(reply.body))}
    decided = reply.json
    assert list(decided) == ["decision_id", "model", "version", "arm", "prediction", "decision", "explanation"]
    assert (decided["model"], decided["version"], decided["arm"]) == ("trips", 1, "champion")
    assert 0.0 < decided["prediction"] < 1.0
    assert list(decided["decision"]) == ["action", "reasons"]
    assert {each["feature"] for each in decided["explanation"]["top_features"]} == set(FEATURES)


def test_instances_are_answered_in_their_order(door: World) -> None:
    hot = asked("b") | {"features": FEATURES | {"distance": 1.0}}
    decisions = door.ask(DECIDE, {"instances": [asked("a"), hot, asked("c")]}).json["decisions"]
    assert len(decisions) == 3
    assert decisions[0]["prediction"] == decisions[2]["prediction"] != decisions[1]["prediction"]


def test_outcomes_are_logged_before_they_are_accepted(door: World) -> None:
    outcome = {"decision_id": fixed("trips", "tester", "x"), "label": True, "kpis": {"cost": 2}}
    before = len(door.outcomes)
    assert door.ask(OUTCOMES, outcome).json == {"accepted": 1}
    assert door.ask(OUTCOMES, {"outcomes": [outcome, outcome]}).json == {"accepted": 2}
    assert door.outcomes[before:] == [Outcome(fixed("trips", "tester", "x"), NOW, True, {"cost": 2.0}, "tester")] * 3
    door.log.refusal = "the disk is full"
    try:
        refused = door.ask(OUTCOMES, outcome)
    finally:
        door.log.refusal = None
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("path", [MODEL, MODEL + "/"])
def test_metadata_has_the_shape_of_the_open_inference_protocol(door: World, path: str) -> None:
    found = door.ask(path, method="GET").json
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


def test_errors_are_problem_details(door: World) -> None:
    reply = door.ask(
        DECIDE, {"instances": [asked(), asked(), asked(), asked() | {"features": FEATURES | {"temp": "x"}}]}
    )
    assert reply.status == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json == {
        "type": "urn:windvane:problem:invalid-request",
        "title": "Invalid request",
        "status": 422,
        "detail": "1 field is wrong",
        "instance": DECIDE,
        "errors": [{"pointer": "/instances/3/features/temp", "detail": 'must be a number, not "x"'}],
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", DECIDE, 405, "POST"),
        ("PUT", OUTCOMES, 405, "POST"),
        ("POST", READY, 405, "GET"),
        ("DELETE", MODEL, 405, "GET"),
        ("POST", MODEL + "/decide/", 404, None),
        ("POST", "/v2/models/trips-2/decide", 404, None),
        ("GET", "/", 404, None),
    ],
)
def test_other_paths_and_methods_are_named_as_such(
    door: World, method: str, path: str, status: int, allow: str | None
) -> None:
    reply = door.ask(path, asked(), method)
    assert (reply.status, reply.headers.get("allow")) == (status, allow)
    if path in (DECIDE, OUTCOMES):
        assert reply.json["status"] == status
    else:
        assert list(reply.json) == ["error"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;charset="UTF-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
def test_only_json_in_utf_8_is_read(door: World, kind: str, status: int) -> None:
    assert door.ask(DECIDE, asked(), content_type=kind).status == status


def test_a_compressed_body_is_not_unpacked(door: World) -> None:
    assert door.ask(DECIDE, asked(), content_encoding="gzip").status == 415


def test_a_body_that_says_it_is_too_large_is_refused_unread(door: World) -> None:
    for length in ("65537", "9" * 5000):
        reply = door.run(call(door.door, "POST", DECIDE, [b"{}"], {"content-length": length}))
        assert reply.status == 413


@pytest.mark.parametrize("headers", [{}, {"content-length": "10"}])
def test_a_body_that_streams_past_the_limit_is_refused_at_the_limit(door: World, headers: dict[str, str]) -> None:
    taken = 0

    async def scenario() -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            nonlocal taken
            taken += 1
            return {"type": "http.request", "body": b" " * 4096, "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await door.door({"type": "http", "method": "POST", "path": DECIDE, "headers": raw}, receive, send)
        return int(sent[0]["status"])

    assert door.run(scenario()) == 413
    assert taken == 17


def test_a_body_may_come_in_many_parts(door: World) -> None:
    parts = [BODY[place : place + 7] for place in range(0, len(BODY), 7)]
    assert door.run(call(door.door, "POST", DECIDE, parts, {})).status == 200


def test_a_caller_that_hangs_up_while_sending_gets_no_answer_and_no_decision(door: World) -> None:
    before = len(door.decisions)

    async def scenario() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await door.door({"type": "http", "method": "POST", "path": DECIDE, "headers": []}, receive, send)
        return sent

    assert door.run(scenario()) == []
    assert len(door.decisions) == before


def test_a_bad_content_length_is_malformed(door: World) -> None:
    assert door.run(call(door.door, "POST", DECIDE, [BODY], {"content-length": "-1"})).status == 400


def test_only_owners_may_ask_for_a_version(door: World) -> None:
    owner = BOSS["authorization"]
    reply = door.ask(DECIDE, asked(), x_windvane_version="2", authorization=owner)
    assert (reply.status, reply.json["version"], reply.json["arm"]) == (200, 2, "override")
    for authorization in ("", "Bearer wrong", SECRET, "Basic " + SECRET, "Bearer \xff"):
        reply = door.ask(DECIDE, asked(), x_windvane_version="2", authorization=authorization)
        assert reply.status == 401
        assert "version" not in reply.json
    reply = door.ask(DECIDE, asked(), x_windvane_version="2")
    assert (reply.status, reply.json["detail"]) == (403, "x-windvane-version is for the owners of trips: leave it out")
    reply = door.ask(DECIDE, asked(), x_windvane_version="7", authorization=owner)
    assert reply.status == 404
    assert "loaded are 1, 2" in reply.json["detail"]
    for version in ("two", "-1", "0", "", "1" * 5000, "²"):
        assert door.ask(DECIDE, asked(), x_windvane_version=version, authorization=owner).status == 422


CLIENT, OTHERS, READER = (f"wv_{letter * 43}" for letter in "cor")


@pytest.fixture(scope="module")
def closed(versions: dict[int, LoadedVersion], home: Path) -> Iterator[World]:
    """Where who sends no key is nobody."""
    keys = (
        key(CLIENT, "client", models=("trips",)),
        key(OTHERS, "client", "owner", "admin", name="eve", models=("loans",)),
        key(READER, "operator", "compliance", name="cleo"),
    )
    with gateway(versions, champion(warm=(2,)), home, authenticator=knowing(*keys)) as world:
        yield world


EVERYTHING = [
    *(("POST", path) for path in (DECIDE, OUTCOMES, f"{MODEL}/infer", f"{MODEL}/versions/1/infer")),
    *(("GET", path) for path in (MODEL, READY, f"{MODEL}/versions/1", f"{MODEL}/nothing", DECIDE, "/v2/models/loans")),
]


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
def test_without_a_key_nothing_is_answered_or_told(closed: World, method: str, path: str) -> None:
    for sent in {}, {"authorization": "Bearer wrong"}, {"x_windvane_role": "owner"}, {"x_forwarded_user": "boss"}:
        reply = closed.ask(path, BODY, method, **sent)
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith('Bearer realm="windvane"')
        assert b"There is nothing" not in reply.body
    assert closed.decisions == closed.outcomes == []


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
def test_a_key_for_other_models_is_refused_whatever_its_roles(closed: World, method: str, path: str) -> None:
    reply = closed.ask(path, BODY, method, x_api_key=OTHERS)
    assert (reply.status, b"'eve' may not use 'trips'" in reply.body) == (403, True)


def test_roles_open_what_names_them(closed: World) -> None:
    outcome = {"decision_id": fixed("trips", "ann", "x"), "label": True}
    for method, path, body in (
        ("POST", DECIDE, asked()),
        ("POST", OUTCOMES, outcome),
        ("GET", READY, b""),
        ("GET", MODEL, b""),
    ):
        assert closed.ask(path, body, method, x_api_key=CLIENT).status == 200
        assert closed.ask(path, body, method, x_api_key=READER).status == (200 if method == "GET" else 403)
    assert closed.ask(DECIDE, asked(), x_api_key=CLIENT, x_windvane_version="2").status == 403
    assert closed.ask(DECIDE, asked(), x_windvane_version="2", **BOSS).json["version"] == 2


def test_a_refusal_says_who_it_was_and_a_mistake_is_none(closed: World) -> None:
    closed.turned_away.clear()
    closed.ask(DECIDE, asked(), x_api_key=OTHERS)
    closed.ask(DECIDE, b"{", x_api_key=CLIENT)
    closed.ask(DECIDE, asked())
    assert [line.partition(": ")[0] for line in closed.turned_away] == [
        f"403 for 'eve' ({key(OTHERS, 'client').key_id}) at 'POST {DECIDE}'",
        f"401 for nobody known at 'POST {DECIDE}'",
    ]


def test_two_credentials_are_refused(closed: World) -> None:
    assert closed.ask(DECIDE, asked(), x_api_key=CLIENT, **BOSS).status == 401
    twice = [(b"x-api-key", CLIENT.encode())] * 2

    async def ask() -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": BODY, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await closed.door({"type": "http", "method": "POST", "path": DECIDE, "headers": twice}, receive, send)
        return int(sent[0]["status"])

    assert closed.run(ask()) == 401


def test_a_limit_counts_rows_and_says_when_to_come_again(versions: dict[int, LoadedVersion], home: Path) -> None:
    slow = "wv_" + "s" * 43
    with gateway(versions, champion(), home, authenticator=knowing(limited(slow, 2.0, 3))) as world:
        assert world.ask(DECIDE, {"instances": [asked()] * 5}, x_api_key=slow).status == 200
        reply = world.ask(DECIDE, asked(), x_api_key=slow)
        assert (reply.status, reply.headers["retry-after"]) == (429, "2")  # of five taken three were there
        assert reply.json["type"] == "urn:windvane:problem:too-fast"
        assert world.ask(DECIDE, asked(), **BOSS).status == 200
        assert len(world.decisions) == 6


def test_an_id_is_its_callers_own(closed: World) -> None:
    mine = closed.ask(DECIDE, asked(id="1"), x_api_key=CLIENT)
    theirs = closed.ask(DECIDE, asked("N000AA", id="1"), **BOSS)
    assert (mine.status, theirs.status) == (200, 200)
    assert mine.json["decision_id"] == fixed("trips", "ann", "1") != theirs.json["decision_id"]
    assert closed.ask(DECIDE, asked(id="1"), x_api_key=CLIENT).body == mine.body


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


def test_an_id_used_for_something_else_is_a_conflict(door: World) -> None:
    first = door.ask(DECIDE, asked(id="k"))
    assert door.ask(DECIDE, asked(id="k")).body == first.body
    assert first.json["decision_id"] == fixed("trips", "tester", "k")
    assert door.ask(DECIDE, asked("another", id="k")).status == 409


def test_a_fault_of_ours_is_a_500_that_tells_nothing(
    door: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def burst(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(door.decider, "decide", burst)
    reply = door.ask(DECIDE, asked())
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert "POST /v2/models/trips/decide was not answered" in caplog.text


def test_the_lifespan_starts_and_stops_the_replica(door: World) -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    door.run(door.door({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert door.hooks == ["start", "stop"]


def test_a_websocket_is_closed(door: World) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    door.run(door.door({"type": "websocket", "path": DECIDE, "headers": []}, receive, send))
    assert sent == ["websocket.close"]


HOSTILE = {
    "empty": b"",
    "blank": b"   ",
    "not json": b"decide!",
    "truncated": BODY[:-5],
    "trailing": BODY + b"x",
    "invalid utf-8": BODY.replace(b"JFK", b"\xff\xfe"),
    "utf-16": BODY.decode().encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + BODY,
    "nan": BODY.replace(b"3.5", b"NaN"),
    "infinity": BODY.replace(b"3.5", b"Infinity"),
    "minus infinity": BODY.replace(b"3.5", b"-Infinity"),
    "1e400": BODY.replace(b"3.5", b"1e400"),
    "integer beyond float64": BODY.replace(b"3.5", b"1" * 400),
    "integer of 20,000 digits": BODY.replace(b"3.5", b"1" * 20_000),
    "float32 overflow": BODY.replace(b"1200.0", b"1e39"),
    "text for a number": BODY.replace(b"3.5", b'"3.5"'),
    "float for an integer": BODY.replace(b'"stops": 1', b'"stops": 1.0'),
    "integer for a boolean": BODY.replace(b"true", b"1"),
    "number for a category": BODY.replace(b'"JFK"', b"1"),
    "array for a number": BODY.replace(b"3.5", b"[3.5]"),
    "missing feature": BODY.replace(b'"stops": 1, ', b""),
    "unknown feature": BODY.replace(b'"stops": 1', b'"stops": 1, "stop": 1'),
    "out of range": BODY.replace(b'"stops": 1', b'"stops": 21'),
    "duplicate key": BODY.replace(b'"stops": 1', b'"stops": 1, "stops": 2'),
    "10,000 deep arrays": b"[" * 10_000 + b"]" * 10_000,
    "10,000 deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "10,000 deep unclosed": b'{"features":' * 5_000,
    "deep inside a feature": BODY.replace(b"3.5", b"[" * 10_000 + b"]" * 10_000),
    "deep inside the context": BODY[:-1] + b', "context": ' + b'{"a":' * 9_000 + b"1" + b"}" * 9_001,
    "half a surrogate": BODY.replace(b"N725MQ", b"\\ud800"),
    "control character": BODY.replace(b"N725MQ", b"\n"),
    "null": b"null",
    "array": b"[]",
    "number": b"3",
    "no subject": BODY.replace(b'"subject": "N725MQ", ', b""),
    "empty subject": BODY.replace(b"N725MQ", b""),
    "empty instances": b'{"instances": []}',
    "instances and a subject": b'{"instances": [%s], "subject": "a"}' % BODY,
    "nested instances": b'{"instances": [{"instances": [%s]}]}' % BODY,
}


@pytest.mark.parametrize("path", [DECIDE, OUTCOMES])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_are_a_clear_4xx(door: World, name: str, path: str) -> None:
    before = len(door.log.records)
    reply = door.ask(path, HOSTILE[name], content_type="application/json")
    assert reply.status in (400, 413, 422), reply.json
    assert reply.json["detail"]
    assert reply.status == 400 or reply.json["errors"]
    assert len(door.log.records) == before


def test_plain_text_and_nul_are_subjects_like_any_other(door: World) -> None:
    for subject in ("\x00", "é", "💡", "a" * 512, '"', "\\u0000"):
        assert door.ask(DECIDE, asked(subject)).status == 200
        assert door.decisions[-1].subject == subject
        assert door.decisions[-1].unit_hash == bucket("salt", subject)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_mutation_of_a_body_is_a_500(door: World, data: st.DataObject) -> None:
    body = bytearray(BODY)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body) - 1))
        body[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
        if not body:
            break
    assert door.ask(DECIDE, bytes(body)).status in (200, 400, 422)


def test_a_canary_takes_its_share_over_http(versions: dict[int, LoadedVersion], home: Path) -> None:
    with gateway(versions, canary(weight=0.5), home) as world:
        arms = {subject: world.ask(DECIDE, asked(subject)).json["arm"] for subject in map(str, range(60))}
        expected = {subject: "candidate" if bucket("salt", subject) < 1 << 31 else "champion" for subject in arms}
        assert arms == expected


def test_a_client_that_leaves_while_it_waits_is_let_go_of_when_the_server_does_not_watch(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
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
            asking = asyncio.ensure_future(world.door(scope, receive, send))
            await settled(lambda: bool(world.log.records))
            gone.set()
            world.ticks = 1.0
            world.door._departures.sweep()
            await settled(asking.done)
            assert asking.cancelled()
            world.log.release()

        world.run(scenario())
        assert sent == []


@pytest.mark.parametrize(("path", "body"), [(DECIDE, BODY), ("/v2/models/trips/infer", b"")])
def test_the_time_in_haproxys_queue_is_the_callers_too(door: World, path: str, body: bytes) -> None:
    body = body or json.dumps({"inputs": [tensor(name, value) for name, value in FEATURES.items()]}).encode()
    sent = {b"x-windvane-arrived": b"%d" % round((NOW - 0.25) * 1e6), b"content-type": b"application/json"}

    def post(headers: dict[bytes, bytes]) -> int:
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return messages.pop()

        async def scenario() -> int:
            response = await door.door.answer({"method": "POST", "path": path, "headers": []}, headers, receive)
            assert response is not None
            return response.status

        return door.run(scenario())

    assert post(sent) == 200
    door.run(asyncio.sleep(0))  # counted off the path
    assert door.counts.latencies_ms[-1] == pytest.approx(250.0, abs=0.1)
    assert post(sent | {b"x-request-timeout-seconds": b"0.2"}) == 504
    assert post(sent | {b"x-request-timeout-seconds": b"0.3"}) == 200
    headers = {name.decode(): value.decode() for name, value in sent.items()}
    reply = door.run(call(door.door, "POST", path, [body], headers))  # not by the gatekeeper: anybody can say that
    assert reply.status == 200
    door.run(asyncio.sleep(0))
    assert door.counts.latencies_ms[-1] == 0.0


def tensor(name: str, value: Any) -> dict[str, Any]:
    """One value as the protocol has it."""
    datatypes = {float: "FP64", int: "INT64", bool: "BOOL", str: "BYTES"}
    return {"name": name, "shape": [1], "datatype": datatypes[type(value)], "data": [value]}
