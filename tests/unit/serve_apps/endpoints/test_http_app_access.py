"""The HTTP endpoint before keys and rates: who may come in, for what, and how often."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.callers.keys import BOSS, key, knowing, limited
from tests.worlds.gateway.world import BODY, DECIDE, MODEL, OUTCOMES, READY, World, asked, champion, gateway
from windvane.serve_apps.pipeline.decision_id import fixed
from windvane.serve_apps.versions.loaded_version import LoadedVersion

CLIENT, OTHERS, READER = (f"wv_{letter * 43}" for letter in "cor")


@pytest.fixture(scope="module")
def closed(versions: dict[int, LoadedVersion], home: Path) -> Iterator[World]:
    """World in which a caller without a key is nobody."""
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
    assert (closed.decisions, closed.outcomes) == ([], [])


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
def test_a_key_for_other_models_is_refused_whatever_its_roles(closed: World, method: str, path: str) -> None:
    reply = closed.ask(path, BODY, method, x_api_key=OTHERS)
    assert (reply.status, b"'eve' may not use this model" in reply.body) == (403, True)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (READY, READY),
        (f"{MODEL}/", f"{MODEL}/"),
        (f"{MODEL}/versions/1/ready", f"{MODEL}/versions/{{version}}/ready"),
        (f"{MODEL}/versions/Jane", f"{MODEL}/versions/{{version}}"),
        (f"{MODEL}/versions/Jane/", f"{MODEL}/versions/{{version}}/"),
        (f"{MODEL}/Jane", "an unknown path"),
        (f"{MODEL}/versions/1/Jane", "an unknown path"),
        ("/v2/models/Jane/ready", "an unknown path"),
    ],
)
def test_a_name_in_a_mistaken_path_is_on_no_record(closed: World, path: str, route: str) -> None:
    """A record outlives every erasure."""
    before = len(closed.refusal_log)
    closed.ask(path, None, "GET")
    [line] = closed.refusal_log[before:]
    assert line.startswith(f"401 for nobody known at 'GET {route}': ")


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
    closed.refusal_log.clear()
    closed.ask(DECIDE, asked(), x_api_key=OTHERS)
    closed.ask(DECIDE, b"{", x_api_key=CLIENT)
    closed.ask(DECIDE, asked())
    assert [line.partition(": ")[0] for line in closed.refusal_log] == [
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

        await closed.http_app({"type": "http", "method": "POST", "path": DECIDE, "headers": twice}, receive, send)
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
