"""Whatever control meets that nobody foresaw: a problem document without it, and where it was raised in the log."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.worlds.admin.world import AdminWorld, ControlClient
from tests.worlds.rollout.world import MODEL
from tests.worlds.shell import Shell, sentence_of
from tests.worlds.shell import down as down
from tests.worlds.shell import up as up
from windvane.serve_apps.admin.faults import SENTENCE, Faults

SUBJECT = "N725MQ"
pytestmark = pytest.mark.usefixtures("redacted_logs")


def look_up(*_: Any, **__: Any) -> Any:
    raise KeyError(SUBJECT)


@pytest.mark.parametrize(
    ("method", "path", "part", "route"),
    [
        ("GET", f"/api/models/{MODEL}/versions", "history.versions", "/api/models/{model}/versions"),
        ("HEAD", f"/api/models/{MODEL}/versions", "history.versions", "/api/models/{model}/versions"),
        ("GET", "/api/status", "model_admin.status", "/api/status"),
        ("POST", f"/api/models/{MODEL}/retrain", "model_admin.retrain", "/api/models/{model}/retrain"),
        (
            "GET",
            f"/api/models/{MODEL}/decisions/{SUBJECT}/explanation",
            "history.explain",
            "/{decision_id}/explanation",
        ),
    ],
)
def test_a_fault_is_a_problem_document_with_a_way_on_and_its_place_is_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, method: str, path: str, part: str, route: str
) -> None:
    world = AdminWorld()
    admin, _, verb = part.partition(".")
    monkeypatch.setattr(getattr(world, admin), verb, look_up)
    options = {"json": {"reason": "because"}} if method == "POST" else {}
    reply = ControlClient(world).request(method, path, **options)  # what the app raises would come out here
    assert reply.status_code == 500
    assert reply.headers["content-type"] == "application/problem+json"
    if method == "HEAD":
        assert reply.content == b""
    else:
        assert (reply.json()["status"], reply.json()["detail"]) == (500, SENTENCE)
    [told] = [each for each in caplog.messages if "was not answered" in each]
    assert told.endswith(f"{route} was not answered")
    assert "in look_up\n" in caplog.text
    assert "\nbuiltins.KeyError\n" in caplog.text
    assert SUBJECT not in caplog.text
    assert SUBJECT not in reply.text.replace(path, "")  # `instance` is what was asked for


def test_a_terminal_shows_the_way_on(up: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up.world.history, "versions", look_up)
    assert sentence_of(up("versions", MODEL)) == f"Error: {SENTENCE}\n"


def test_a_reply_that_is_half_sent_is_broken_off() -> None:
    async def halves(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        look_up()

    async def ask() -> None:
        transport = httpx.ASGITransport(Faults(halves))
        async with httpx.AsyncClient(transport=transport, base_url="http://windvane", trust_env=False) as http:
            await http.get("/")

    with pytest.raises(KeyError):
        asyncio.run(ask())
