"""The OpenAPI document of decisions and outcomes, held against real replies."""

from typing import Any

import pytest

from tests.worlds.admin.api import api_of
from tests.worlds.admin.world import AdminWorld
from tests.worlds.callers.keys import BOSS as OWNER
from tests.worlds.gateway.conformity import Conformity
from tests.worlds.gateway.world import DECIDE, OUTCOMES, Reply, World, asked
from windvane.serve_apps.pipeline.decision_id import fixed

SPOILED = [
    (b"{", 400),
    (b'{"subject": Infinity}', 400),
    (b" " * 70_000, 413),
    ({"instances": [asked()] * 17}, 413),
    (asked() | {"features": {"temp": 400, "nothing": 1}}, 422),
    ({"instances": []}, 422),
    ({}, 422),
]


@pytest.mark.parametrize(
    "body",
    [
        asked(),
        asked(explain=True, id="a", context={"channel": "web", "event_time": "2026-01-01T00:00:00Z", "n": None}),
        {"instances": [asked("a", explain=True), asked("b", context={"event_time": 1.5})]},
        {"subject": "a", "features": {"distance": 1, "stops": 0, "night": False, "temp": None, "origin": "XXX"}},
        {"subject": 7, "features": {"distance": True, "stops": 2.0, "night": 1, "origin": 7}, "explain": 1},
        asked() | {"context": None, "explain": None, "id": None, "purpose": None},
        {"instances": [asked("a"), asked("b") | {"features": {}}, 3]},
    ],
)
def test_decisions_are_taken_and_answered_as_the_document_says(
    endpoint: World, conformity: Conformity, body: Any
) -> None:
    assert conformity.asked("POST", DECIDE, body) == []
    reply = endpoint.ask(DECIDE, body)
    assert reply.status == 200
    assert conformity.of("POST", DECIDE, reply) == []


@pytest.mark.parametrize(("body", "status"), SPOILED)
def test_refused_decisions_are_answered_as_the_document_says(
    endpoint: World, conformity: Conformity, body: Any, status: int
) -> None:
    reply = endpoint.ask(DECIDE, body)
    assert reply.status == status
    assert conformity.of("POST", DECIDE, reply) == []
    if status == 422:
        assert conformity.asked("POST", DECIDE, body)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"content_length": "x"}, 400),
        ({"x_windvane_version": "1"}, 403),
        ({"x_windvane_version": "2", **OWNER}, 200),
        ({"x_windvane_version": "7", **OWNER}, 404),
        ({"x_windvane_version": "seven", **OWNER}, 422),
    ],
)
def test_headers_are_answered_as_the_document_says(
    endpoint: World, conformity: Conformity, headers: dict[str, str], status: int
) -> None:
    reply = endpoint.ask(DECIDE, asked(), **headers)
    assert reply.status == status
    assert conformity.of("POST", DECIDE, reply) == []


def test_outcomes_are_taken_and_answered_as_the_document_says(endpoint: World, conformity: Conformity) -> None:
    decided = endpoint.ask(DECIDE, asked()).json["decision_id"]
    one = {"decision_id": decided, "label": True, "kpis": {"cost": 2.5}}
    other = {"decision_id": decided, "label": None, "kpis": {"cost": 1, "gain": None}}
    for body in (one, one | {"label": 0, "kpis": None}, {"outcomes": [one, other]}, {"outcomes": [one, {}]}):
        assert conformity.asked("POST", OUTCOMES, body) == []
        reply = endpoint.ask(OUTCOMES, body)
        assert (reply.status, conformity.of("POST", OUTCOMES, reply)) == (200, [])
    for wrong in ({"decision_id": decided}, {"decision_id": "x", "label": True}, {"decision_id": decided, "kpis": {}}):
        assert conformity.asked("POST", OUTCOMES, wrong)
        reply = endpoint.ask(OUTCOMES, wrong)
        assert (reply.status, conformity.of("POST", OUTCOMES, reply)) == (422, [])


def test_an_id_that_is_used_twice_is_answered_as_the_document_says(endpoint: World, conformity: Conformity) -> None:
    assert endpoint.ask(DECIDE, asked("a", id="twice")).status == 200
    reply = endpoint.ask(DECIDE, asked("b", id="twice"))
    assert (reply.status, conformity.of("POST", DECIDE, reply)) == (409, [])


def test_a_model_whose_gateway_does_not_run_yet_is_answered_as_the_document_says(admin: AdminWorld) -> None:
    """Control answers then; schemathesis found that the document knew nothing of it."""
    api = api_of(admin)
    told = api.get("/openapi.json").json()
    conformity = Conformity(told)
    for path, methods in told["paths"].items():
        if path.startswith("/v2/models/"):
            for method in methods:
                found = api.request(method.upper(), path.format(version=1), json={})
                assert found.status_code == 503
                reply = Reply(503, dict(found.headers), found.content)
                assert conformity.of(method, path.format(version=1), reply) == []


def test_a_disk_that_is_full_is_answered_as_the_document_says(endpoint: World, conformity: Conformity) -> None:
    endpoint.log.refusal = "the disk is full"
    try:
        for path, body in (
            (DECIDE, asked()),
            (OUTCOMES, {"decision_id": fixed("trips", "ann", "a"), "label": True}),
        ):
            reply = endpoint.ask(path, body)
            assert (reply.status, conformity.of("POST", path, reply)) == (503, [])
    finally:
        endpoint.log.refusal = None
