"""Whatever a body holds, the HTTP endpoint answers with what is wrong with it, and reads no more than it may."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.worlds.gateway.world import BODY, DECIDE, OUTCOMES, World, asked, call
from windvane.serve_apps.traffic.router import bucket


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
def test_only_json_in_utf_8_is_read(endpoint: World, kind: str, status: int) -> None:
    assert endpoint.ask(DECIDE, asked(), content_type=kind).status == status


def test_a_compressed_body_is_not_unpacked(endpoint: World) -> None:
    assert endpoint.ask(DECIDE, asked(), content_encoding="gzip").status == 415


def test_a_body_that_says_it_is_too_large_is_refused_unread(endpoint: World) -> None:
    for length in ("65537", "9" * 5000):
        reply = endpoint.run(call(endpoint.http_app, "POST", DECIDE, [b"{}"], {"content-length": length}))
        assert reply.status == 413


@pytest.mark.parametrize("headers", [{}, {"content-length": "10"}])
def test_a_body_that_streams_past_the_limit_is_refused_at_the_limit(endpoint: World, headers: dict[str, str]) -> None:
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
        await endpoint.http_app({"type": "http", "method": "POST", "path": DECIDE, "headers": raw}, receive, send)
        return int(sent[0]["status"])

    assert endpoint.run(scenario()) == 413
    assert taken == 17


def test_a_body_may_come_in_many_parts(endpoint: World) -> None:
    parts = [BODY[place : place + 7] for place in range(0, len(BODY), 7)]
    assert endpoint.run(call(endpoint.http_app, "POST", DECIDE, parts, {})).status == 200


def test_a_caller_that_hangs_up_while_sending_gets_no_answer_and_no_decision(endpoint: World) -> None:
    before = len(endpoint.decisions)

    async def scenario() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await endpoint.http_app({"type": "http", "method": "POST", "path": DECIDE, "headers": []}, receive, send)
        return sent

    assert endpoint.run(scenario()) == []
    assert len(endpoint.decisions) == before


def test_a_bad_content_length_is_malformed(endpoint: World) -> None:
    assert endpoint.run(call(endpoint.http_app, "POST", DECIDE, [BODY], {"content-length": "-1"})).status == 400


HOSTILE = {
    "empty": b"",
    "blank": b"   ",
    "not json": b"decide!",
    "truncated": BODY[:-5],
    "trailing": BODY + b"x",
    "invalid utf-8": BODY.replace(b"JFK", b"\xff\xfe"),
    "utf-16": BODY.decode().encode("utf-16"),
    "nan": BODY.replace(b"1200.0", b"NaN"),
    "infinity": BODY.replace(b"3.5", b"Infinity"),
    "minus infinity": BODY.replace(b"3.5", b"-Infinity"),
    "1e400": BODY.replace(b"3.5", b"1e400"),
    "integer beyond float64": BODY.replace(b"3.5", b"1" * 400),
    "integer of 20,000 digits": BODY.replace(b"3.5", b"1" * 20_000),
    "float32 overflow": BODY.replace(b"1200.0", b"1e39"),
    "text for a number": BODY.replace(b"3.5", b'"3.5"'),
    "fraction for an integer": BODY.replace(b'"stops": 1', b'"stops": 1.5'),
    "integer for a boolean": BODY.replace(b"true", b"2"),
    "fraction for a category": BODY.replace(b'"JFK"', b"1.5"),
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
def test_hostile_bodies_are_a_clear_4xx(endpoint: World, name: str, path: str) -> None:
    before = len(endpoint.log.records)
    reply = endpoint.ask(path, HOSTILE[name], content_type="application/json")
    assert reply.status in (400, 413, 422), reply.json
    assert reply.json["detail"]
    assert reply.status == 400 or reply.json["errors"]
    assert len(endpoint.log.records) == before


def test_plain_text_and_nul_are_subjects_like_any_other(endpoint: World) -> None:
    for subject in ("\x00", "é", "💡", "a" * 512, '"', "\\u0000"):
        assert endpoint.ask(DECIDE, asked(subject)).status == 200
        assert endpoint.decisions[-1].subject == subject
        assert endpoint.decisions[-1].unit_hash == bucket("salt", subject)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_mutation_of_a_body_is_a_500(endpoint: World, data: st.DataObject) -> None:
    body = bytearray(BODY)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body) - 1))
        body[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
        if not body:
            break
    assert endpoint.ask(DECIDE, bytes(body)).status in (200, 400, 422)
